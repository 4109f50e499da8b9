import { DescriptorFlag, RingPosition, WRAP } from "../../core/virtqueue/index.ts";
import type { ChainContents } from "./chain.ts";
import { ChainReader, descriptorAt, type RingDescriptor } from "./chain-reader.ts";
import type { GuestView } from "./guest-view.ts";
import type { SignalKind } from "../trace/index.ts";
import {
  type Look,
  OVERWRITTEN,
  type RingPlaces,
  type RingSight,
  type SignalReason,
  tooMany,
} from "./ring-sight.ts";
import type { RingRecord } from "./ring-record.ts";

/** Descriptors that are read at once. */
const BLOCK = 64;
/** Times that a look goes over the ring. */
const MAX_ROUNDS = 4;

/**
 * Follows a packed ring by the flags of its descriptors. A used descriptor overwrites the beginning of a
 * chain, so one that is used between two looks is counted and not described; if the ring goes round
 * between two looks, whole rounds are not counted.
 */
export class PackedRing implements RingSight {
  readonly #places: RingPlaces;
  readonly #view: GuestView;
  readonly #record: RingRecord;
  readonly #reader: ChainReader;
  readonly #inOrder: boolean;
  readonly #bytes = new Uint8Array(16 * BLOCK);
  readonly #words = new DataView(this.#bytes.buffer);
  /** Index of the first descriptor in `#bytes`; -1: nothing was read. */
  #block = -1;
  #isBroken = false;
  readonly #available: RingPosition;
  readonly #used: RingPosition;
  /** Chains made available and used, and the positions, at the last kick and call. */
  readonly #chains = { kick: 0, call: 0 };
  readonly #signalled: Record<SignalKind, { chains: number; position: number }>;
  /** Entries between the two positions. */
  #ahead: number;
  /** Entries of the chain that was described last. */
  #usualSlots = 1;

  /** @param base of SET_VRING_BASE: the available position, and above it the used one */
  constructor(places: RingPlaces, base: number, { view, space, record, inOrder }: Look) {
    this.#places = places;
    this.#view = view;
    this.#record = record;
    this.#inOrder = inOrder;
    this.#reader = new ChainReader(view, space, "packed");
    this.#available = new RingPosition(places.size, base & 0xffff);
    this.#used = new RingPosition(places.size, usedStart(base));
    this.#signalled = {
      kick: { chains: 0, position: this.#placeOf(this.#available) },
      call: { chains: 0, position: this.#placeOf(this.#used) },
    };
    this.#ahead =
      (this.#available.index - this.#used.index + places.size) % places.size ||
      (this.#available.equals(this.#used) ? 0 : places.size);
  }

  look(us: number, beforeUs: number, budget: number): number | undefined {
    this.#isBroken = false;
    let steps = 0;
    // A driver reuses the entries of used chains, so these come first; both may go on meanwhile.
    for (let round = 0; round < MAX_ROUNDS && !this.#isBroken; round += 1) {
      const found = this.#useChains(us, beforeUs) + this.#addChains(us, beforeUs, budget);
      steps += found;
      if (found === 0) break;
    }
    return this.#isBroken ? undefined : steps;
  }

  wantsKick(): boolean | undefined {
    const area = new Uint8Array(4);
    const { device, space } = this.#places;
    if (this.#view.read(space, device, area, 0, 4) < 4) return undefined;
    // Mode 2 names a descriptor: the chains that wait are mostly behind it.
    return ((area[2] ?? 0) & 3) !== 1;
  }

  signalled(signal: SignalKind): SignalReason | undefined {
    const { driver, device, space, size } = this.#places;
    const area = new Uint8Array(4);
    // The receiver of a kick is the device, and asks in its own area.
    const at = signal === "kick" ? device : driver;
    const before = this.#signalled[signal];
    const position = this.#placeOf(signal === "kick" ? this.#available : this.#used);
    const chains = this.#chains[signal] - before.chains;
    this.#signalled[signal] = { chains: this.#chains[signal], position };
    if (this.#view.read(space, at, area, 0, 4) < 4) return undefined;
    const [low = 0, high = 0, mode = 0] = area;
    const wanted = this.#placeOf({ index: low | ((high & 0x7f) << 8), wrap: high >= 0x80 });
    const distance = (to: number): number => (to - before.position + 2 * size) % (2 * size);
    const isPassed = distance(wanted % (2 * size)) < distance(position);
    const isAsked = (mode & 3) === 2 ? isPassed : (mode & 3) !== 1;
    return { chains, needed: chains > 0 && isAsked };
  }

  /** A position in two rounds, which the wrap counter distinguishes. */
  #placeOf({ index, wrap }: Pick<RingPosition, "index" | "wrap">): number {
    return index + (wrap ? 0 : this.#places.size);
  }

  #addChains(us: number, beforeUs: number, budget: number): number {
    const { size } = this.#places;
    let [chains, missed, described] = [0, 0, 0];
    this.#block = -1;
    while (this.#ahead < size && this.#isAvailable(this.#available)) {
      // What a flag covers is read after it.
      this.#block = -1;
      const head = this.#at(this.#available.index);
      if (head === undefined || !this.#isAvailable(this.#available)) break;
      const isUsed = ((head.flags & DescriptorFlag.Used) !== 0) === this.#available.wrap;
      const found = isUsed ? this.#overwritten(head) : this.#chain(head);
      if (found === undefined || this.#ahead + found.slots > size) break;
      const { id, slots, descriptors } = found;
      const isSeen = descriptors !== undefined && described < budget;
      let contents: ChainContents | undefined;
      if (isSeen) {
        contents = this.#reader.read(descriptors);
        this.#usualSlots = slots;
        described += 1;
      } else missed += 1;
      if (this.#record.outstanding.size >= size) this.#record.outstanding.takeOldest();
      this.#record.available({ head: id, slots, contents, seenUs: us, beforeUs });
      this.#chains.kick += 1;
      this.#available.advance(slots);
      this.#ahead += slots;
      chains += 1;
    }
    this.#record.missed(missed, described >= budget ? tooMany(budget) : OVERWRITTEN, us);
    return chains;
  }

  /** The chain that begins with a descriptor; undefined while it is not complete. */
  #chain(head: RingDescriptor): Found | undefined {
    const { size } = this.#places;
    const descriptors = [head];
    let last = head;
    while ((last.flags & DescriptorFlag.Next) !== 0 && descriptors.length < size) {
      const next = this.#at((this.#available.index + descriptors.length) % size);
      if (next === undefined) return undefined;
      descriptors.push((last = next));
    }
    // The buffer id is that of the last descriptor (VIRTIO 2.8.6).
    return { id: last.third, slots: descriptors.length, descriptors };
  }

  /** A chain of which only its used descriptor is left, and how many entries it took. */
  #overwritten({ third: id }: RingDescriptor): Found {
    const { size } = this.#places;
    const slots = this.#usualSlots;
    const alone = { id, slots: 1, descriptors: undefined };
    if (slots === 1 || this.#ahead + slots > size) return alone;
    // The last descriptor of a chain has its id, and is not written again before the next round.
    const position = new RingPosition(size, this.#available.half);
    position.advance(slots - 1);
    const last = this.#at(position.index);
    const isLast = last !== undefined && last.third === id && this.#isAvailable(position);
    if (!isLast || ((last.flags & DescriptorFlag.Used) !== 0) === position.wrap) return alone;
    return { id, slots, descriptors: undefined };
  }

  #useChains(us: number, beforeUs: number): number {
    let chains = 0;
    this.#block = -1;
    while (this.#ahead > 0 && this.#isDone(this.#used)) {
      this.#block = -1;
      const used = this.#at(this.#used.index);
      if (used === undefined) break;
      if (!this.#isUsed(this.#used)) {
        chains += this.#useUnknown(us, beforeUs);
        continue;
      }
      const written = (used.flags & DescriptorFlag.Write) === 0 ? 0 : used.length;
      chains += this.#use(used.third, written, us, beforeUs);
    }
    return chains;
  }

  /** Takes a chain, and in order those before it, for which the device wrote nothing. */
  #use(id: number, written: number, us: number, beforeUs: number): number {
    const { outstanding } = this.#record;
    let chains = 0;
    for (;;) {
      const { oldest } = outstanding;
      const isBefore = this.#inOrder && oldest !== undefined && oldest.head !== id;
      const chain = isBefore ? outstanding.takeOldest() : outstanding.take(id);
      const slots = Math.min(chain?.slots ?? 1, this.#ahead);
      const length = isBefore ? (chain?.contents?.writable ?? 0) : written;
      this.#record.used(chain, length, us, beforeUs);
      this.#chains.call += 1;
      this.#used.advance(slots);
      this.#ahead -= slots;
      chains += 1;
      if (!isBefore || this.#ahead === 0) return chains;
    }
  }

  /** A chain was used, and the driver has made another one available in the same place. */
  #useUnknown(us: number, beforeUs: number): number {
    const chain = this.#record.outstanding.takeOldest();
    const slots = Math.min(chain?.slots ?? 1, this.#ahead);
    this.#record.used(undefined, 0, us, beforeUs);
    this.#chains.call += 1;
    this.#used.advance(slots);
    this.#ahead -= slots;
    return 1;
  }

  /** The driver has written the entry in this round; the device may have used it since. */
  #isAvailable({ index, wrap }: RingPosition): boolean {
    const entry = this.#at(index);
    if (entry === undefined || isCleared(entry)) return false;
    return ((entry.flags & DescriptorFlag.Available) !== 0) === wrap;
  }

  /** The device has used a chain here: as the entry says, or as it is available in the next round. */
  #isDone({ index, wrap }: RingPosition): boolean {
    const entry = this.#at(index);
    if (entry === undefined || isCleared(entry)) return false;
    return ((entry.flags & DescriptorFlag.Used) !== 0) === wrap;
  }

  #isUsed({ index, wrap }: RingPosition): boolean {
    const { flags } = this.#at(index) ?? {};
    if (flags === undefined) return false;
    const [available, used] = [DescriptorFlag.Available, DescriptorFlag.Used];
    return ((flags & available) !== 0) === wrap && ((flags & used) !== 0) === wrap;
  }

  /** A descriptor of the ring; undefined if it cannot be read. */
  #at(index: number): RingDescriptor | undefined {
    const { size, descriptors, space } = this.#places;
    if (this.#block < 0 || index < this.#block || index >= this.#block + BLOCK) {
      const bytes = 16 * Math.min(BLOCK, size - index);
      if (this.#view.read(space, descriptors + 16 * index, this.#bytes, 0, bytes) < bytes) {
        this.#isBroken = true;
        return undefined;
      }
      this.#block = index;
    }
    return descriptorAt(this.#words, 16 * (index - this.#block), "packed");
  }
}

/** The used half of a base. DPDK's virtio-user sends the available half alone, and means it for both. */
function usedStart(base: number): number {
  const [available, used] = [base & 0xffff, base >>> 16];
  return used === 0 && (available & WRAP) !== 0 ? available : used;
}

/** A driver that resets its ring clears it, which looks used in every second round. */
function isCleared({ address, length, third, flags }: RingDescriptor): boolean {
  return address === 0 && length === 0 && third === 0 && flags === 0;
}

interface Found {
  readonly id: number;
  readonly slots: number;
  readonly descriptors: readonly RingDescriptor[] | undefined;
}
