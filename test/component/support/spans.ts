import assert from "node:assert/strict";
import type { RegionTable } from "../../../src/core/memory/index.ts";
import type { ChainCursor } from "../../../src/core/virtqueue/index.ts";

/** Every segment is inside its window and inside shared memory, or has none in an unreachable chain. */
export function assertInside(chain: ChainCursor, table: RegionTable): void {
  for (let i = 0; i < chain.spans.count; i += 1) {
    const offset = chain.spans.offsets[i] ?? -1;
    const length = chain.spans.lengths[i] ?? -1;
    const window = chain.spans.windows[i];
    if (window === undefined && chain.unreachable !== undefined) {
      assert.ok(length > 0);
      continue;
    }
    assert.ok(offset >= 0 && length > 0 && window && offset + length <= window.bytes.length);
    const size = table.regions.find((region) => region.view(0, 1).window === window);
    assert.ok(size && offset + length <= size.end - size.start);
  }
}
