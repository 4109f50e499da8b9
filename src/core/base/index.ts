/**
 * base: errors, waiting with a deadline, counts with their nouns, and 16-bit ring arithmetic. Imports
 * nothing; every other room may import it.
 */
export { asError } from "./as-error.ts";
export * from "./abort.ts";
export { closeNames } from "./close-names.ts";
export * from "./error-codes.ts";
export * from "./errors/index.ts";
export * from "./quantity.ts";
export * from "./record.ts";
export { systemCode } from "./system-code.ts";
export * from "./u16.ts";
