export const STDOUT = 1;
/** Readable for its owner only: a capture has addresses of a guest's memory. */
export const CAPTURE_MODE = 0o600;
