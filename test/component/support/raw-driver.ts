import type { DriverQueue } from "../../../src/core/virtqueue/index.ts";
import { type RawDescriptor, RawPackedRing, RawSplitRing } from "../../../src/lab/wire/index.ts";

/** A driver that makes any descriptors available on a ring of either format. */
export interface RawDriver {
  /** Makes one chain available: each descriptor but the last names the one that follows. */
  chain(...descriptors: readonly RawDescriptor[]): void;
  /** Makes chains of one descriptor each available, all at once. */
  singles(...descriptors: readonly RawDescriptor[]): void;
}

/** Returns the raw driver of a ring whose driver half has not added anything. */
export function rawDriver({ raw }: Pick<DriverQueue, "raw">): RawDriver {
  return raw.format === "split"
    ? new SplitRawDriver(new RawSplitRing(raw))
    : new PackedRawDriver(new RawPackedRing(raw));
}

class SplitRawDriver implements RawDriver {
  readonly #ring: RawSplitRing;
  #next = 0;

  constructor(ring: RawSplitRing) {
    this.#ring = ring;
  }

  chain(...descriptors: readonly RawDescriptor[]): void {
    this.#ring.publish(this.#ring.chain(descriptors, this.#take(descriptors.length)));
  }

  singles(...descriptors: readonly RawDescriptor[]): void {
    const heads = this.#take(descriptors.length);
    descriptors.forEach((descriptor, i) => this.#ring.put(heads[i] ?? 0, descriptor));
    this.#ring.publish(...heads);
  }

  #take(count: number): number[] {
    const indices = Array.from(
      { length: count },
      (_, i) => (this.#next + i) % this.#ring.words.size,
    );
    this.#next += count;
    return indices;
  }
}

class PackedRawDriver implements RawDriver {
  readonly #ring: RawPackedRing;
  #id = 0;

  constructor(ring: RawPackedRing) {
    this.#ring = ring;
  }

  chain(...descriptors: readonly RawDescriptor[]): void {
    this.#ring.chain(descriptors, this.#takeId());
  }

  singles(...descriptors: readonly RawDescriptor[]): void {
    this.#ring.publish(...descriptors.map((each) => ({ ...each, id: this.#takeId() })));
  }

  #takeId(): number {
    return this.#id++ % this.#ring.words.size;
  }
}
