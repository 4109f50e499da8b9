import { counted, UsageError } from "../../../../core/base/index.ts";
import type { BufferSource, GuestBuffer } from "../../../../core/memory/index.ts";
import { type DriverQueue, SegmentList, SlotPool } from "../../../../core/virtqueue/index.ts";
import { BlockRequest, HEADER_BYTES, SECTOR_SIZE } from "../layout.ts";

/** Bytes of a slot's head, a cache line of its own: the request header, then the status byte. */
const HEAD_BYTES = 64;
const STATUS_OFFSET = HEADER_BYTES;
/** A status that no device returns: a status byte with this value was not written. */
const NO_STATUS = 0xff;

/**
 * Returns the number of requests that fit a ring: without indirect descriptors each takes three
 * entries.
 */
export function requestsIn(size: number, indirect: boolean): number {
  return indirect ? size : Math.floor(size / 3);
}

/** Back-ends that bypass the page cache use aligned buffers directly, and copy unaligned ones. */
function dataAlignment(transferBytes: number): number {
  return transferBytes < 4096 ? SECTOR_SIZE : 4096;
}

/** Returns the bytes of memory that slots need. */
export function slotBytes(depth: number, transferBytes: number): number {
  const alignment = dataAlignment(transferBytes);
  const data = Math.ceil(transferBytes / alignment) * alignment;
  return depth * (HEAD_BYTES + data) + HEAD_BYTES + alignment;
}

/**
 * The requests of one ring: `depth` slots, each with header, status and data buffer in shared
 * memory, made once and reused. Nothing allocates per request.
 */
export class BlockSlots {
  readonly depth: number;
  readonly transferBytes: number;
  readonly #heads: GuestBuffer[] = [];
  readonly #data: GuestBuffer[] = [];
  /** By slot: the prepared segments, and the number of them that the device reads. */
  readonly #prepared: SegmentList[] = [];
  readonly #readable: Uint8Array;
  readonly #pool: SlotPool;
  /**
   * By slot: the segments header, data and status; `#withoutData` has those of a request without
   * data.
   */
  readonly #withData: SegmentList[] = [];
  readonly #bare: SegmentList[] = [];

  /** @throws {MemoryAccessError} the memory has no room left */
  constructor(memory: BufferSource, depth: number, transferBytes: number) {
    this.depth = depth;
    this.transferBytes = transferBytes;
    for (let slot = 0; slot < depth; slot += 1)
      this.#heads.push(memory.allocate(HEAD_BYTES, HEAD_BYTES));
    for (let slot = 0; slot < depth; slot += 1)
      this.#data.push(memory.allocate(transferBytes, dataAlignment(transferBytes)));
    for (const [slot, head] of this.#heads.entries()) {
      const bare = new SegmentList(2);
      const withData = new SegmentList(3);
      for (const segments of [bare, withData]) {
        segments.pushPart(head, 0, HEADER_BYTES);
        if (segments === withData) segments.push(this.#data[slot]?.address ?? 0, transferBytes);
        segments.pushPart(head, STATUS_OFFSET, 1);
      }
      this.#bare.push(bare);
      this.#withData.push(withData);
    }
    this.#readable = new Uint8Array(depth);
    this.#pool = new SlotPool(depth);
  }

  /** Number of outstanding requests. */
  get outstanding(): number {
    return this.#pool.taken;
  }

  /** A free slot; -1: all are in use. */
  acquire(): number {
    return this.#pool.acquire();
  }

  /** Gives a slot back; its request must have completed. */
  release(slot: number): void {
    this.#pool.release(slot);
  }

  /** The slot's data buffer, shared with the device. */
  data(slot: number): Uint8Array {
    const data = this.#data[slot];
    if (data === undefined)
      throw new RangeError(`slot ${slot} does not exist; the depth is ${this.depth}`);
    return data.bytes;
  }

  /** Returns the status that the device wrote; 255: it wrote none. */
  status(slot: number): number {
    return this.#heads[slot]?.bytes[STATUS_OFFSET] ?? NO_STATUS;
  }

  /**
   * Writes a slot's request, for {@link put}.
   *
   * @param length bytes of the slot's data buffer that go with it; 0 for a flush
   * @throws {RangeError} no such slot, or more data than it has
   */
  prepare(slot: number, type: BlockRequest, sector: number, length: number): void {
    const head = this.#heads[slot];
    const segments = (length > 0 ? this.#withData : this.#bare)[slot];
    if (head === undefined || segments === undefined)
      throw new RangeError(`slot ${slot} does not exist; the depth is ${this.depth}`);
    if (length > this.transferBytes) {
      throw new RangeError(
        `a request has at most ${counted(this.transferBytes, "byte")} of data, not ${length}`,
      );
    }
    const { view, bytes } = head;
    const words = view.window.u32;
    const at = view.offset >>> 2;
    const high = Math.floor(sector / 2 ** 32);
    words[at] = type;
    words[at + 1] = 0;
    words[at + 2] = sector - high * 2 ** 32;
    words[at + 3] = high;
    bytes[STATUS_OFFSET] = NO_STATUS;
    if (length > 0) segments.lengths[1] = length;
    const deviceWrites = type === BlockRequest.In || type === BlockRequest.GetId;
    this.#prepared[slot] = segments;
    this.#readable[slot] = deviceWrites ? 1 : segments.count - 1;
  }

  /**
   * Lays a slot's request out in a ring, with the slot as token.
   *
   * @throws {RangeError} none was prepared, or there is no room in the ring
   */
  put(ring: Pick<DriverQueue, "add">, slot: number): void {
    const segments = this.#prepared[slot];
    if (segments === undefined) throw new RangeError(`slot ${slot} has no prepared request`);
    if (!ring.add(segments, this.#readable[slot] ?? 0, slot)) {
      throw new RangeError(
        "the ring is full or broken: more requests than slots, or a failed queue",
      );
    }
  }
}

/** @throws {UsageError} the ring does not hold that many requests */
export function expectDepth(depth: number, size: number, indirect: boolean): void {
  const room = requestsIn(size, indirect);
  if (depth > 0 && depth <= room) return;
  throw new UsageError(
    `the depth must be 1 to ${room} for a queue of ${counted(size, "entry", "entries")}, not ${depth}; ` +
      `use a larger queue size`,
  );
}
