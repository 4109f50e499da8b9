import { readSync, readvSync } from "node:fs";
import type { Window } from "../../../../core/memory/index.ts";
import type { ChainCursor } from "../../../../core/virtqueue/index.ts";
import { Errno, errnoOf } from "../errno.ts";

/** Segments that one system call takes: IOV_MAX of Linux. */
const MAX_SEGMENTS = 1024;

interface Segment {
  readonly window: Window;
  /** Byte offset in the window. */
  readonly offset: number;
  readonly length: number;
}

const bytesOf = ({ window, offset, length }: Segment): Uint8Array =>
  window.bytes.subarray(offset, offset + length);

/**
 * Reads from a file straight into the writable part of a chain: `length` bytes from byte `start` of
 * it on, which the chain has room for. One system call, unless the chain has more segments than
 * that takes. A short count is the end of the file.
 *
 * @returns bytes, or `-errno`; EFAULT, with the window marked broken, when the memory was taken away
 */
export function readIntoChain(
  fd: number,
  chain: ChainCursor,
  start: number,
  length: number,
  position: number,
): number {
  let total = 0;
  let segments: Segment[] = [];
  let gathered = 0;
  const { spans } = chain;
  for (let span = chain.readableSpans; span < spans.count && length > 0; span += 1) {
    const size = spans.lengths[span] ?? 0;
    if (start >= size) {
      start -= size;
      continue;
    }
    const window = spans.windows[span];
    if (window === undefined) return -Errno.EIO;
    const offset = (spans.offsets[span] ?? 0) + start;
    const take = Math.min(size - start, length);
    segments.push({ window, offset, length: take });
    gathered += take;
    length -= take;
    start = 0;
    if (segments.length < MAX_SEGMENTS && length > 0 && span + 1 < spans.count) continue;
    const count = readSegments(fd, segments, position + total);
    if (count < 0) return count;
    markWritten(segments, count);
    total += count;
    if (count < gathered) break;
    segments = [];
    gathered = 0;
  }
  return total;
}

/** Marks the first `count` bytes of the segments as written. */
function markWritten(segments: readonly Segment[], count: number): void {
  for (const { window, offset, length } of segments) {
    const here = Math.min(length, count);
    window.wrote(offset, here);
    count -= here;
  }
}

/** Fills the segments as far as the file goes. */
function readSegments(fd: number, segments: readonly Segment[], position: number): number {
  let rest = segments;
  let total = 0;
  try {
    while (rest.length > 0) {
      const count = readOnce(fd, rest, position + total);
      if (count === 0) break;
      total += count;
      rest = behind(rest, count);
    }
    return total;
  } catch (error) {
    const code = errnoOf(error);
    // The bytes before the bad address were read and counted by the previous call.
    if (code === -Errno.EFAULT) rest[0]?.window.mapping.markBroken();
    return code;
  }
}

function readOnce(fd: number, segments: readonly Segment[], position: number): number {
  const [first] = segments;
  if (segments.length === 1 && first) {
    return readSync(fd, first.window.bytes, first.offset, first.length, position);
  }
  return readvSync(fd, segments.map(bytesOf), position);
}

/** Returns the segments without their first `count` bytes. */
function behind(segments: readonly Segment[], count: number): readonly Segment[] {
  let from = 0;
  for (; from < segments.length; from += 1) {
    const length = segments[from]?.length ?? 0;
    if (count < length) break;
    count -= length;
  }
  const [first, ...rest] = segments.slice(from);
  if (first === undefined) return [];
  const { window, offset, length } = first;
  return [{ window, offset: offset + count, length: length - count }, ...rest];
}
