import { Mapping, SharedMemory } from "../../../core/os/index.ts";
import type { IoRequest } from "./io-request.ts";

/** Position, length and addresses of direct I/O are multiples of it, bytes. */
export const DIRECT_ALIGNMENT = 512;
/** Bytes of a bounce buffer; longer requests are carried out in steps. */
const BUFFER_BYTES = 64 << 10;

/**
 * Aligned memory for direct I/O on behalf of guests whose buffers are not aligned. Its pages are
 * allocated when they are first used.
 */
export class BounceBuffers {
  readonly #mapping: Mapping;
  readonly #free: number[] = [];
  /** Address of the first buffer. */
  readonly address: number;

  /** @throws {SystemError} e.g. `EMFILE`, `ENOMEM` */
  constructor(count: number) {
    const memory = SharedMemory.create("vhost-user-bounce", count * BUFFER_BYTES);
    try {
      const length = memory.size;
      this.#mapping = Mapping.map(memory.fd.fd, { offset: 0, length, writable: true });
    } finally {
      memory.close();
    }
    this.address = Number(this.#mapping.address);
    for (let index = count - 1; index >= 0; index -= 1) this.#free.push(index);
  }

  /** Returns the number of a buffer, or -1 if all are in use. */
  take(): number {
    return this.#free.pop() ?? -1;
  }

  release(index: number): void {
    this.#free.push(index);
  }

  /** Returns the offset of a buffer. */
  offset(index: number): number {
    return index * BUFFER_BYTES;
  }

  /** Returns a buffer's bytes. */
  bytes(index: number, length: number): Uint8Array {
    const start = this.offset(index);
    return this.#mapping.bytes.subarray(start, start + length);
  }

  /** Copies the next bytes of a write into a buffer, and returns their number. */
  fill(index: number, request: IoRequest): number {
    return this.#copy(index, request, Math.min(request.length, BUFFER_BYTES), true);
  }

  /** Returns the bytes that the next step of a read can move. */
  room(request: IoRequest): number {
    return Math.min(request.length, BUFFER_BYTES);
  }

  /** Copies `count` bytes that were read into the memory of the request. */
  empty(index: number, request: IoRequest, count: number): void {
    this.#copy(index, request, count, false);
  }

  close(): void {
    this.#mapping.unmap();
  }

  #copy(index: number, request: IoRequest, count: number, out: boolean): number {
    const { spans } = request;
    let at = this.offset(index);
    const end = at + count;
    let { skip } = request;
    for (let { span } = request; span < spans.count && at < end; span += 1) {
      const take = Math.min((spans.lengths[span] ?? 0) - skip, end - at);
      const from = (spans.offsets[span] ?? 0) + skip;
      const bytes = spans.windows[span]?.bytes;
      const buffer = this.#mapping.bytes;
      if (out && bytes !== undefined) buffer.set(bytes.subarray(from, from + take), at);
      else bytes?.set(buffer.subarray(at, at + take), from);
      at += take;
      skip = 0;
    }
    return count;
  }
}

/** Returns whether direct I/O can use the memory of a request. Mappings begin on a page. */
export function isAligned({ spans, span, skip, length }: IoRequest): boolean {
  for (let left = length; span < spans.count && left > 0; span += 1) {
    const window = spans.windows[span];
    const size = Math.min((spans.lengths[span] ?? 0) - skip, left);
    const at = (window?.bytes.byteOffset ?? 0) + (spans.offsets[span] ?? 0) + skip;
    if (at % DIRECT_ALIGNMENT !== 0 || size % DIRECT_ALIGNMENT !== 0) return false;
    left -= size;
    skip = 0;
  }
  return true;
}
