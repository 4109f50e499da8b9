/** Bytes of memory for each entry of a ring, with its indirect table of eight segments. */
export const RING_BYTES = 256;
