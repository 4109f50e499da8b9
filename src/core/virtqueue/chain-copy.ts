import type { ChainCursor } from "./types.ts";

/**
 * Copies between a chain and a buffer by byte position, independent of the descriptors: VIRTIO
 * 2.7.4 leaves the framing free, so a header may use sixteen descriptors and share one with the
 * data. Each byte is accessed once, and nothing is allocated.
 */

/** Returns whether `length` bytes from byte `start` of the writable part can be written. */
export function canWrite(chain: ChainCursor, start: number, length: number): boolean {
  const { spans } = chain;
  for (let span = chain.readableSpans; span < spans.count && length > 0; span += 1) {
    const size = spans.lengths[span] ?? 0;
    if (start < size) {
      if (spans.windows[span] === undefined) return false;
      length -= size - start;
    }
    start = Math.max(0, start - size);
  }
  return length <= 0;
}

/** Copies `length` readable bytes from byte `start` of the chain on; the chain holds them. */
export function copyOut(chain: ChainCursor, start: number, out: Uint8Array, length: number): void {
  const { spans } = chain;
  let at = 0;
  for (let span = 0; span < chain.readableSpans && at < length; span += 1) {
    const size = spans.lengths[span] ?? 0;
    if (start >= size) {
      start -= size;
      continue;
    }
    const bytes = spans.windows[span]?.bytes;
    const from = (spans.offsets[span] ?? 0) + start;
    const take = Math.min(size - start, length - at);
    for (let i = 0; i < take; i += 1) out[at + i] = bytes?.[from + i] ?? 0;
    at += take;
    start = 0;
  }
}

/**
 * Copies `length` bytes of `source` from `from` on to byte `start` of the writable part; the chain
 * has room for them.
 */
export function copyIn(
  chain: ChainCursor,
  start: number,
  source: Uint8Array,
  from: number,
  length: number,
): void {
  const { spans } = chain;
  const end = from + length;
  for (let span = chain.readableSpans; span < spans.count && from < end; span += 1) {
    const size = spans.lengths[span] ?? 0;
    if (start >= size) {
      start -= size;
      continue;
    }
    const window = spans.windows[span];
    const to = (spans.offsets[span] ?? 0) + start;
    const take = Math.min(size - start, end - from);
    if (window !== undefined) {
      const { bytes } = window;
      for (let i = 0; i < take; i += 1) bytes[to + i] = source[from + i] ?? 0;
      window.wrote(to, take);
    }
    from += take;
    start = 0;
  }
}
