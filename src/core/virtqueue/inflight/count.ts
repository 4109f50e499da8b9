import type { InflightArea } from "../../memory/index.ts";

/**
 * How many chains a back-end has recorded as in flight. Right after it was killed those of
 * its last batch may be among them although they were published.
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
