import type { InflightArea } from "../../memory/index.ts";

/**
 * Returns the number of chains that a back-end has recorded as in flight. Right after a crash these
 * may include chains of its last batch that were already published.
 */
export function countInflight({ view, entries }: InflightArea, packed: boolean): number {
  const stride = packed ? 32 : 16;
  let count = 0;
  for (let entry = 0; entry < entries; entry += 1) {
    // An entry is as long as the header in front of the first.
    if (view.window.bytes[view.offset + stride * (entry + 1)] === 1) count += 1;
  }
  return count;
}
