import {
  DescriptorFlag,
  FRESH_BASE,
  type RawPackedRing,
  RingPosition,
} from "../../../../core/virtqueue/index.ts";
import type { CheckContext } from "../../context.ts";
import { type Piece, viewOf } from "./pieces.ts";
import type { Ring } from "./ring.ts";
import { soon } from "./soon.ts";

const { Available, Used, Next, Write } = DescriptorFlag;

/** Where a chain begins, as event areas and bases have it: bit 15 is the wrap counter. */
export type Half = number;

/** A used descriptor. */
export interface UsedDescriptor {
  readonly id: number;
  readonly length: number;
  readonly flags: number;
}

/** A packed ring that a check lays out word by word. */
export class HandPacked {
  readonly raw: RawPackedRing;
  readonly #view: DataView;
  readonly #t: CheckContext;
  readonly #next: RingPosition;
  readonly #size: number;

  constructor(t: CheckContext, { queue, size }: Ring) {
    const { raw, parts } = queue;
    if (raw.format !== "packed") throw new TypeError("expected a packed ring");
    this.raw = raw;
    this.#t = t;
    this.#size = size;
    this.#view = viewOf(parts.descriptors.bytes);
    this.#next = new RingPosition(size, FRESH_BASE & 0xffff);
  }

  /** Makes a chain available. @returns where it begins, and where it would be used */
  put(pieces: readonly Piece[], id: number): Half {
    const at = this.#next.half;
    const head = this.#next.index;
    let headFlags = 0;
    pieces.forEach(({ address, length, write }, i) => {
      const { index, wrap } = this.#next;
      const link = i + 1 < pieces.length ? Next : 0;
      const flags = (wrap ? Available : Used) | (write ? Write : 0) | link;
      this.#view.setBigUint64(16 * index, BigInt(address), true);
      this.#view.setUint32(16 * index + 8, length, true);
      this.#view.setUint16(16 * index + 12, id, true);
      if (i === 0) headFlags = flags;
      else Atomics.store(this.raw.descriptors16, 8 * index + 7, flags);
      this.#next.advance(1);
    });
    Atomics.store(this.raw.descriptors16, 8 * head + 7, headFlags);
    return at;
  }

  /** So many descriptors behind the next one. */
  ahead(count: number): Half {
    const position = new RingPosition(this.#size, this.#next.half);
    position.advance(count);
    return position.half;
  }

  /** Asks for a call. @param flags of the driver's event area, VIRTIO 2.8.10 */
  callAt(half: Half, flags: number): void {
    Atomics.store(this.raw.driverEvent, 0, half);
    Atomics.store(this.raw.driverEvent, 1, flags);
  }

  /** The used descriptor at a position; undefined: not within the time. */
  async usedAt(half: Half): Promise<UsedDescriptor | undefined> {
    const { index, wrap } = new RingPosition(this.#size, half);
    const mask = Available | Used;
    return soon(() => {
      const flags = Atomics.load(this.raw.descriptors16, 8 * index + 7);
      if ((flags & mask) !== (wrap ? mask : 0)) return undefined;
      const id = this.raw.descriptors16[8 * index + 6] ?? 0;
      // Nothing was written: the length means nothing either (VIRTIO 2.8.4).
      const length = (flags & Write) === 0 ? 0 : (this.raw.descriptors[4 * index + 2] ?? 0);
      return { id, flags, length };
    }, this.#t.times.callMs);
  }
}
