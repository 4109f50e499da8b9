import type { ChainCursor, DriverQueue } from "../../../src/core/virtqueue/index.ts";

/** Returns the readable bytes of a chain. */
export function readableBytes(chain: ChainCursor): number[] {
  const bytes: number[] = [];
  for (let i = 0; i < chain.readableSpans; i += 1) {
    const offset = chain.spans.offsets[i] ?? 0;
    const end = offset + (chain.spans.lengths[i] ?? 0);
    bytes.push(...(chain.spans.windows[i]?.bytes.subarray(offset, end) ?? []));
  }
  return bytes;
}

/** Fills the writable part of a chain with 1, 2, 3 …; returns its length. */
export function fillWritable(chain: ChainCursor): number {
  let value = 0;
  for (let i = chain.readableSpans; i < chain.spans.count; i += 1) {
    const offset = chain.spans.offsets[i] ?? 0;
    for (let at = 0; at < (chain.spans.lengths[i] ?? 0); at += 1) {
      const bytes = chain.spans.windows[i]?.bytes;
      if (bytes) bytes[offset + at] = value += 1;
    }
  }
  return value;
}

/** Returns completions as [token, written]. */
export function completions(driver: DriverQueue, max = 1000): [token: number, written: number][] {
  const done: [number, number][] = [];
  driver.poll((token, written) => done.push([token, written]), max);
  return done;
}
