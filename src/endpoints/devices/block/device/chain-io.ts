import type { ChainCursor } from "../../../../core/virtqueue/index.ts";

/** Writes the last writable byte of a chain that has one. */
export function writeLastByte(chain: ChainCursor, value: number): void {
  const { spans } = chain;
  const last = spans.count - 1;
  const window = spans.windows[last];
  if (window === undefined) return;
  const at = (spans.offsets[last] ?? 0) + (spans.lengths[last] ?? 0) - 1;
  window.bytes[at] = value;
  window.wrote(at, 1);
}

/**
 * Records the writable part of a chain in the dirty log, after the kernel has written to it. Bytes
 * count as written even if the storage failed half-way: some of them may have been.
 */
export function logWritten({ spans, readableSpans }: ChainCursor): void {
  for (let span = readableSpans; span < spans.count; span += 1)
    spans.windows[span]?.wrote(spans.offsets[span] ?? 0, spans.lengths[span] ?? 0);
}
