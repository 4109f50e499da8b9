import { UsageError } from "../../base/index.ts";
import type { GuestBuffer } from "../../memory/index.ts";
import { DescriptorFlag } from "../descriptor.ts";
import type { DriverQueue } from "../driver-roles.ts";
import type { DriverQueueOptions, RingParts } from "../types.ts";
import { DescriptorRing } from "./descriptor-ring.ts";
import { PackedEventSuppression } from "./event-suppression.ts";
import {
  FRESH_BASE,
  isPackedQueueSize,
  MAX_PACKED_SIZE,
  packedRing,
  packedRingLayout,
  RingPosition,
} from "./layout.ts";
import { RingLook } from "./ring-look.ts";

const { Write } = DescriptorFlag;

/**
 * The driver half of a packed virtqueue, VIRTIO 2.8: it publishes chains and takes completions.
 *
 * Ordering, as in the device half: what is published is stored by `DescriptorRing`; what is used is
 * found by `RingLook`. Flags, then the device's event area (publish), and our event area, then flags
 * (enableNotifications), are atomic store-then-load pairs.
 */
export class PackedDriverQueue extends DescriptorRing implements DriverQueue {
  readonly parts: RingParts;
  readonly #events: PackedEventSuppression;
  readonly #used: RingPosition;
  /** Number of descriptors from #used on that are known to be used. */
  #ready = 0;
  readonly #look: RingLook;
  readonly #inOrder: boolean;
  /** In order: number of buffers that a used descriptor still covers, length of the last. */
  #batchLeft = 0;
  #batchLength = 0;

  /**
   * @throws {UsageError} the size is not 1 to 32768
   * @throws {MemoryAccessError} the memory has no room left
   */
  constructor({ size, memory, features, indirectSegments = 8 }: DriverQueueOptions) {
    if (!isPackedQueueSize(size)) {
      throw new UsageError(`a packed queue has 1 to ${MAX_PACKED_SIZE} entries, not ${size}`);
    }
    const { descriptors, driver, device } = packedRingLayout(size);
    const parts = {
      descriptors: memory.allocate(descriptors.bytes, descriptors.alignment),
      driver: memory.allocate(driver.bytes, driver.alignment),
      device: memory.allocate(device.bytes, device.alignment),
    };
    const ring = packedRing(size, {
      descriptors: parts.descriptors.view,
      driver: parts.driver.view,
      device: parts.device.view,
    });
    const inOrder = features.inOrder === true;
    super(ring, {
      tables: features.indirect ? memory.allocate(size * indirectSegments * 16) : undefined,
      tableSegments: indirectSegments,
      inOrder,
    });
    this.parts = parts;
    this.#inOrder = inOrder;
    this.#events = new PackedEventSuppression(ring, "driver", features.eventIdx, 0);
    this.#look = new RingLook(ring);
    this.#used = new RingPosition(size, FRESH_BASE >>> 16);
  }

  reset(dropped: (token: number) => void): void {
    const tokens = this.removeAll();
    for (const { bytes } of Object.values(this.parts)) bytes.fill(0);
    this.#events.restart(0);
    this.#used.restart(FRESH_BASE >>> 16);
    this.#ready = 0;
    this.#batchLeft = 0;
    tokens.forEach(dropped);
  }

  /** Both positions, from which a stopped ring continues (SET_VRING_BASE). */
  get base(): number {
    return ((this.#used.half << 16) | this.#used.half) >>> 0;
  }

  get written(): readonly GuestBuffer[] {
    const { descriptors, driver } = this.parts;
    const { tables } = this;
    return tables === undefined ? [descriptors, driver] : [descriptors, driver, tables];
  }

  isPossibleBase(base: number): boolean {
    const position = new RingPosition(this.size, base & 0xffff);
    const ahead = this.#aheadOfUsed(position);
    const most = this.#aheadOfUsed(this.unpublishedAt);
    return (base & 0x7fff) < this.size && ahead >= 0 && ahead <= most;
  }

  get published(): number {
    return this.outstanding - this.unpublished;
  }

  publish(most = this.size): boolean {
    const added = this.unpublished;
    const count = most < added ? most : added;
    if (count <= 0) return false;
    this.publishOldest(count);
    return this.#events.wanted(this.unpublishedAt);
  }

  /** A lower bound: one used descriptor may complete a long chain or a batch. */
  pendingCompletions(): number {
    return this.broken === undefined && this.#hasUsed() ? Math.max(1, this.#ready) : 0;
  }

  poll(done: (token: number, written: number) => void, max: number): number {
    const { ids } = this;
    let count = 0;
    while (count < max && this.broken === undefined && this.#hasUsed()) {
      let id = ids.oldest;
      if (this.#batchLeft === 0) {
        const at = this.#used.index * 4;
        const tail = this.raw.descriptors[at + 3] ?? 0;
        id = tail & 0xffff;
        const isWritten = ((tail >>> 16) & Write) !== 0;
        this.#batchLength = isWritten ? (this.raw.descriptors[at + 2] ?? 0) : 0;
        if (!this.#isPossibleId(id)) break;
      }
      if (this.#inOrder) {
        if (this.#batchLeft === 0) this.#batchLeft = ids.before(id) + 1;
        this.#batchLeft -= 1;
        id = ids.oldest;
      }
      const token = this.token(id);
      // Skipped buffers were used completely.
      const length = this.#batchLeft > 0 ? this.writable(id) : this.#batchLength;
      const written = this.remove(id, length);
      const freed = this.free(id);
      this.#used.advance(freed);
      this.#ready = freed < this.#ready ? this.#ready - freed : 0;
      count += 1;
      done(token, written);
    }
    return count;
  }

  /** Returns whether a used descriptor may have this id; if not, the ring is broken. */
  #isPossibleId(id: number): boolean {
    if (this.#inOrder) {
      const { published } = this;
      if (id < this.size && this.ids.before(id) < published) return true;
      return this.#refuse(id, `one of the ${published} oldest outstanding buffers`, "2.8.8");
    }
    return this.isPublished(id) || this.#refuse(id, "an outstanding buffer", "2.8.6");
  }

  #refuse(id: number, expected: string, section: string): false {
    const reason = `expected the id of ${expected} in a used descriptor, got ${id}`;
    this.broken = { reason, section };
    return false;
  }

  enableNotifications(): boolean {
    this.#events.enable(this.#used);
    return !this.#hasUsed();
  }

  disableNotifications(): void {
    this.#events.disable();
  }

  /** Not possible: the device may have overwritten the descriptors of outstanding chains. */
  resubmit(): boolean {
    return this.outstanding === 0;
  }

  /** Returns whether there is a completion; it reads the ring only if none is known. */
  #hasUsed(): boolean {
    if (this.#ready > 0 || this.#batchLeft > 0) return true;
    if (this.outstanding === 0) return false;
    const { index, wrap } = this.#used;
    this.#ready = this.#look.count(index, wrap, wrap, this.size - this.freeDescriptors);
    return this.#ready > 0;
  }

  /** Returns the number of descriptors from #used to a position; negative behind it. */
  #aheadOfUsed({ index, wrap }: RingPosition): number {
    return (wrap === this.#used.wrap ? 0 : this.size) + index - this.#used.index;
  }
}
