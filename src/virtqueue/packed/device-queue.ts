import { type AddressSpace, Resolved } from "../../memory/index.ts";
import { appendBuffer, fault, outside, resetChain } from "../chain.ts";
import { Descriptor, DescriptorFlag } from "../descriptor.ts";
import { IndirectTable } from "../indirect-table.ts";
import { MEMORY_GONE } from "../memory-gone.ts";
import type { RawPackedRing } from "../raw-ring.ts";
import type {
  ChainCursor,
  DeviceQueue,
  DeviceQueueOptions,
  QueueFault,
  VringState,
} from "../types.ts";
import { EventFlag, packedNeedsEvent, packedRing, RingPosition } from "./layout.ts";

const { Available, Used, Write, Next, Indirect } = DescriptorFlag;

/** Descriptors of an indirect table that are followed at most, where the queue is smaller. */
const MAX_CHAIN = 1024;

/**
 * The device half of a packed virtqueue, VIRTIO 2.8.
 *
 * Ordering. A descriptor's flags are loaded and stored by `Atomics`: what they announce is read
 * after the load and written before the store. The flags of the first completion of a batch go last
 * (publish), so the driver, which reads in ring order, sees none of the batch before. Flags, then
 * the driver's event area (publish), and our event area, then flags (arm), are atomic
 * store-then-load pairs: the full barriers that the specification asks for.
 */
export class PackedDeviceQueue implements DeviceQueue {
  readonly size: number;
  readonly raw: RawPackedRing;
  inFlight = 0;
  broken: QueueFault | undefined;
  readonly #space: AddressSpace;
  readonly #eventIdx: boolean;
  readonly #indirect: boolean;
  readonly #descriptor = new Descriptor();
  readonly #table: IndirectTable;
  /** Where the driver's next chain begins, and where the next completion goes. */
  readonly #next: RingPosition;
  readonly #used: RingPosition;
  /** First completion that the driver was not shown yet, its flags, and whether there is one. */
  #heldIndex = 0;
  #heldFlags = 0;
  #held = false;
  /** Index of #used at the last decision about a call; undefined before the first one. */
  #decided: number | undefined;
  /** Ring descriptors of the chains in flight. */
  #taken = 0;
  /** Chains in flight: what the driver calls the buffer, and its ring descriptors. */
  readonly #bufferIds: Uint16Array;
  readonly #counts: Uint16Array;
  readonly #freeSlots: Uint16Array;
  #freeCount: number;

  /** @throws {QueueError} size or memory do not make a packed ring */
  constructor({ size, memory, space, features, base }: DeviceQueueOptions) {
    this.size = size;
    this.raw = packedRing(size, memory);
    this.#space = space;
    this.#eventIdx = features.eventIdx;
    this.#indirect = features.indirect;
    this.#table = new IndirectTable(space);
    this.#next = new RingPosition(size, base & 0xffff);
    this.#used = new RingPosition(size, base >>> 16);
    this.#bufferIds = new Uint16Array(size);
    this.#counts = new Uint16Array(size);
    this.#freeSlots = Uint16Array.from({ length: size }, (_, i) => size - 1 - i);
    this.#freeCount = size;
  }

  next(chain: ChainCursor): boolean {
    if (this.broken !== undefined) return false;
    // Memory that was taken away reads as zeroes: in a ring that is polled nobody else would see it.
    if (!this.#isAvailable()) {
      this.#memoryGone();
      return false;
    }
    if (this.#memoryGone()) return false;
    const wrong = this.#walk(chain);
    if (wrong === undefined) return true;
    this.fail(`chain at ${this.#next.index}: ${wrong.reason}`, wrong.section);
    return false;
  }

  hasNext(): boolean {
    return this.broken === undefined && this.#isAvailable();
  }

  complete(slot: number, written: number): void {
    const { raw } = this;
    const { index, wrap } = this.#used;
    const count = this.#counts[slot] ?? 1;
    raw.descriptors[index * 4 + 2] = written;
    raw.descriptors16[index * 8 + 6] = this.#bufferIds[slot] ?? 0;
    const flags = (wrap ? Available | Used : 0) | (written > 0 ? Write : 0);
    if (this.#held) {
      Atomics.store(raw.descriptors16, index * 8 + 7, flags);
    } else {
      this.#held = true;
      this.#heldIndex = index;
      this.#heldFlags = flags;
    }
    this.#used.advance(count);
    this.#taken -= count;
    this.#freeSlots[this.#freeCount] = slot;
    this.#freeCount += 1;
    this.inFlight -= 1;
  }

  publish(): boolean {
    if (!this.#held || this.#memoryGone()) return false;
    this.#held = false;
    Atomics.store(this.raw.descriptors16, this.#heldIndex * 8 + 7, this.#heldFlags);
    const flags = Atomics.load(this.raw.driverEvent, 1) & 3;
    const before = this.#decided;
    this.#decided = this.#used.index;
    if (flags !== EventFlag.Descriptor || !this.#eventIdx) return flags !== EventFlag.Disable;
    const event = Atomics.load(this.raw.driverEvent, 0);
    return before === undefined || packedNeedsEvent(event, this.#used, before, this.size);
  }

  arm(): boolean {
    if (this.#eventIdx) {
      Atomics.store(this.raw.deviceEvent, 0, this.#next.half);
      Atomics.store(this.raw.deviceEvent, 1, EventFlag.Descriptor);
    } else {
      Atomics.store(this.raw.deviceEvent, 1, EventFlag.Enable);
    }
    return !this.#isAvailable() && !this.#memoryGone();
  }

  disarm(): void {
    Atomics.store(this.raw.deviceEvent, 1, EventFlag.Disable);
  }

  state(): VringState {
    return { size: this.size, base: ((this.#used.half << 16) | this.#next.half) >>> 0 };
  }

  fail(reason: string, section: string): void {
    // Memory that the peer took away reads as zeroes; what that looks like is not the cause.
    if (!this.#memoryGone()) this.broken ??= { reason, section };
  }

  #isAvailable(): boolean {
    const { index, wrap } = this.#next;
    const flags = Atomics.load(this.raw.descriptors16, index * 8 + 7);
    return ((flags & Available) !== 0) === wrap && ((flags & Used) !== 0) !== wrap;
  }

  /** Takes the chain that begins at the next position; it goes on only if all of it is in order. */
  #walk(chain: ChainCursor): QueueFault | undefined {
    const { raw, size } = this;
    const descriptor = this.#descriptor;
    resetChain(chain);
    const room = size - this.#taken;
    let index = this.#next.index;
    let count = 0;
    for (;;) {
      if (count >= room) {
        return fault(
          "2.8.17",
          `expected at most ${size} descriptors available or in use, got more or a chain without end`,
        );
      }
      descriptor.take(raw.descriptors, index * 4);
      count += 1;
      const flags = descriptor.fourth;
      if ((flags & Indirect) !== 0) {
        if (count > 1 || (flags & Next) !== 0) {
          return fault("2.8.8", "got an indirect descriptor in a chain of several");
        }
        const id = descriptor.third;
        return this.#walkTable(chain) ?? this.#accept(chain, id, count);
      }
      const wrong = appendBuffer(chain, descriptor, (flags & Write) !== 0, this.#space);
      if (wrong !== undefined) return wrong;
      // The last descriptor of a chain carries the buffer's id.
      if ((flags & Next) === 0) return this.#accept(chain, descriptor.third, count);
      index = index + 1 === size ? 0 : index + 1;
    }
  }

  /** The entries of an indirect table follow each other; of their flags only WRITE means anything. */
  #walkTable(chain: ChainCursor): QueueFault | undefined {
    const descriptor = this.#descriptor;
    const table = this.#table;
    if (!this.#indirect) {
      return fault("2.8.19", "got an indirect descriptor without VIRTIO_RING_F_INDIRECT_DESC");
    }
    if (descriptor.length === 0 || descriptor.length % 16 !== 0) {
      return fault("2.8.7", `expected an indirect table of n * 16 bytes, got ${descriptor.length}`);
    }
    if (table.open(descriptor) !== Resolved.Ok) {
      return outside("an indirect table", descriptor, "2.8.7");
    }
    const limit = Math.max(this.size, MAX_CHAIN);
    if (table.size > limit) {
      return fault("2.8.19", `expected at most ${limit} descriptors in a table, got ${table.size}`);
    }
    for (let i = 0; i < table.size; i += 1) {
      table.take(i, descriptor);
      const writable = (descriptor.fourth & Write) !== 0;
      const wrong = appendBuffer(chain, descriptor, writable, this.#space);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }

  #accept(chain: ChainCursor, bufferId: number, count: number): undefined {
    this.#freeCount -= 1;
    const slot = this.#freeSlots[this.#freeCount] ?? 0;
    this.#bufferIds[slot] = bufferId;
    this.#counts[slot] = count;
    chain.id = slot;
    this.#taken += count;
    this.inFlight += 1;
    this.#next.advance(count);
  }

  /** Looked at where a batch begins and where it ends. */
  #memoryGone(): boolean {
    if (!this.#space.broken) return false;
    this.broken ??= MEMORY_GONE;
    return true;
  }
}
