import { POISON } from "../../conformance/kit/back-end/memory.ts";

/** Random bytes contain such a run of one value once in 2^128 requests. */
const RUN = 16;

/**
 * Returns the offset of the first 16 bytes that still have the value of unwritten memory; undefined
 * if there are none.
 */
export function unwrittenAt(bytes: Uint8Array): number | undefined {
  let run = 0;
  for (const [at, byte] of bytes.entries()) {
    run = byte === POISON ? run + 1 : 0;
    if (run === RUN) return at + 1 - RUN;
  }
  return undefined;
}
