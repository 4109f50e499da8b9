/**
 * base: errors, waiting with a deadline, and 16-bit ring arithmetic. Imports nothing; everybody may
 * import it.
 */
export * from "./abort.ts";
export * from "./errors.ts";
export * from "./u16.ts";
