import { systemCode } from "../../../../core/base/index.ts";
import type { ChainCursor } from "../../../../core/virtqueue/index.ts";
import type { BlockStorage } from "../../../storage/index.ts";

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
 * Moves data between storage and a chain: `length` bytes from byte `start` of the readable part
 * (write) or from the front of the writable part (read). Returns false if the storage failed.
 *
 * @throws Node's EFAULT, with the window marked broken, when the memory was taken away
 */
export function transfer(
  storage: BlockStorage,
  chain: ChainCursor,
  write: boolean,
  start: number,
  length: number,
  position: number,
): boolean {
  const { spans } = chain;
  for (let span = write ? 0 : chain.readableSpans; span < spans.count && length > 0; span += 1) {
    const size = spans.lengths[span] ?? 0;
    if (start >= size) {
      start -= size;
      continue;
    }
    const window = spans.windows[span];
    if (window === undefined) return false;
    const offset = (spans.offsets[span] ?? 0) + start;
    const take = Math.min(size - start, length);
    try {
      const moved = write
        ? storage.write(position, window, offset, take)
        : storage.read(position, window, offset, take);
      // Bytes count as written even if the storage failed half-way: some of them may have been.
      if (!write) window.wrote(offset, take);
      if (!moved) return false;
    } catch (error) {
      if (systemCode(error) === "EFAULT") window.mapping.markBroken();
      return false;
    }
    position += take;
    length -= take;
    start = 0;
  }
  return true;
}
