import { readSync, readvSync } from "node:fs";
import type { Window } from "../../../../core/memory/index.ts";
import type { ChainCursor } from "../../../../core/virtqueue/index.ts";
import { Errno, errnoOf } from "../errno.ts";

/** Pieces of memory that one system call takes: IOV_MAX of Linux. */
const MAX_PIECES = 1024;

interface Piece {
  readonly window: Window;
  /** Bytes into the window. */
  readonly offset: number;
  readonly length: number;
}

const bytesOf = ({ window, offset, length }: Piece): Uint8Array =>
  window.bytes.subarray(offset, offset + length);

/**
 * Reads from a file straight into the writable part of a chain: `length` bytes from byte `start` of
 * it on, which the chain has room for. One system call, unless the chain is in more pieces than
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
  let pieces: Piece[] = [];
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
    pieces.push({ window, offset, length: take });
    gathered += take;
    length -= take;
    start = 0;
    if (pieces.length < MAX_PIECES && length > 0 && span + 1 < spans.count) continue;
    const count = readPieces(fd, pieces, position + total);
    if (count < 0) return count;
    markWritten(pieces, count);
    total += count;
    if (count < gathered) break;
    pieces = [];
    gathered = 0;
  }
  return total;
}

/** The first `count` bytes of the pieces were written. */
function markWritten(pieces: readonly Piece[], count: number): void {
  for (const { window, offset, length } of pieces) {
    const here = Math.min(length, count);
    window.wrote(offset, here);
    count -= here;
  }
}

/** Fills the pieces as far as the file goes. */
function readPieces(fd: number, pieces: readonly Piece[], position: number): number {
  let rest = pieces;
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
    // What came before the bad address was read, and counted, by the call before.
    if (code === -Errno.EFAULT) rest[0]?.window.mapping.markBroken();
    return code;
  }
}

function readOnce(fd: number, pieces: readonly Piece[], position: number): number {
  const [first] = pieces;
  if (pieces.length === 1 && first) {
    return readSync(fd, first.window.bytes, first.offset, first.length, position);
  }
  return readvSync(fd, pieces.map(bytesOf), position);
}

/** What is left of the pieces behind their first `count` bytes. */
function behind(pieces: readonly Piece[], count: number): readonly Piece[] {
  let from = 0;
  for (; from < pieces.length; from += 1) {
    const length = pieces[from]?.length ?? 0;
    if (count < length) break;
    count -= length;
  }
  const [first, ...rest] = pieces.slice(from);
  if (first === undefined) return [];
  const { window, offset, length } = first;
  return [{ window, offset: offset + count, length: length - count }, ...rest];
}
