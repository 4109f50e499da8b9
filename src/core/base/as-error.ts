/** Returns the error that was thrown; any other thrown value becomes the message of a new error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
