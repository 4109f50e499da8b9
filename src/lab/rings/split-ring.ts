import { u16Distance } from "../../core/base/index.ts";
import { DescriptorFlag } from "../../core/virtqueue/index.ts";
import type { Chain, ChainContents } from "./chain.ts";
import { ChainReader, descriptorAt, type RingDescriptor } from "./chain-reader.ts";
import type { GuestView } from "./guest-view.ts";
import type { SignalKind } from "../trace/index.ts";
import {
  OVERWRITTEN,
  type Look,
  type RingPlaces,
  type RingSight,
  type SignalReason,
  tooMany,
} from "./ring-sight.ts";
import type { RingRecord } from "./ring-record.ts";

/** Larger steps of an index are steps backwards. */
const HALF = 0x8000;
const NO_CHAIN = -1;

/**
 * Follows a split ring by its two indices, so that every chain is counted; each is described if its
 * descriptors are still there.
 *
 * A `pread` copies bytes in ascending order and may tear: an index is read before what it covers, and
 * again after it, and what changed meanwhile is given up.
 */
export class SplitRing implements RingSight {
  readonly #places: RingPlaces;
  readonly #view: GuestView;
  readonly #record: RingRecord;
  readonly #reader: ChainReader;
  readonly #inOrder: boolean;
  readonly #index = new Uint8Array(8);
  readonly #heads: Uint8Array;
  readonly #used: Uint8Array;
  readonly #table: Uint8Array;
  readonly #words: DataView;
  /** Position, in the look, of the chain that a descriptor belongs to. */
  readonly #owners: Int32Array;
  #available: number;
  #usedIndex: number;
  /** The avail index at the last kick, and the used index at the last call. */
  #atKick: number;
  #atCall: number;

  /** @param usedIndex where the device begins */
  constructor(
    places: RingPlaces,
    available: number,
    usedIndex: number,
    { view, space, record, inOrder }: Look,
  ) {
    this.#places = places;
    this.#view = view;
    this.#record = record;
    this.#inOrder = inOrder;
    this.#reader = new ChainReader(view, space, "split");
    this.#available = available;
    this.#usedIndex = usedIndex;
    this.#atKick = available;
    this.#atCall = usedIndex;
    const { size } = places;
    this.#heads = new Uint8Array(2 * size);
    this.#used = new Uint8Array(8 * size);
    this.#table = new Uint8Array(16 * size);
    this.#words = new DataView(this.#table.buffer);
    this.#owners = new Int32Array(size);
  }

  look(us: number, beforeUs: number, budget: number): number | undefined {
    // Used before available: each used chain has been made available by then.
    const used = this.#indexAt(this.#places.device);
    const available = this.#indexAt(this.#places.driver);
    if (used === undefined || available === undefined) return undefined;
    // A driver that resets its ring clears it, which must not count as a round of chains.
    const isCleared = available === 0 && used === 0;
    if (isCleared && u16Distance(0, this.#available) > this.#places.size) return 0;
    const added = this.#step(available, this.#available, "avail", us);
    const done = this.#step(used, this.#usedIndex, "used", us);
    if (added > 0) this.#addChains(available, added, us, beforeUs, budget);
    this.#available = available;
    if (done > 0) this.#useChains(used, done, us, beforeUs);
    this.#usedIndex = used;
    return added + done;
  }

  wantsKick(eventIndex: boolean): boolean | undefined {
    const { device, size } = this.#places;
    if (eventIndex) {
      const event = this.#halfAt(device + 4 + 8 * size);
      if (event === undefined) return undefined;
      // The device asked for a kick once the avail index passes the event.
      const passed = u16Distance(this.#available, event);
      return passed > 0 && passed < HALF;
    }
    const flags = this.#halfAt(device);
    return flags === undefined ? undefined : (flags & 1) === 0;
  }

  signalled(signal: SignalKind, eventIndex: boolean): SignalReason | undefined {
    const { driver, device, size } = this.#places;
    const isKick = signal === "kick";
    const [now, before] = isKick
      ? [this.#available, this.#atKick]
      : [this.#usedIndex, this.#atCall];
    if (isKick) this.#atKick = now;
    else this.#atCall = now;
    const chains = u16Distance(now, before);
    // The receiver of a kick writes into the used ring, that of a call into the available ring.
    const [flags, event] = isKick
      ? [device, device + 4 + 8 * size]
      : [driver, driver + 4 + 2 * size];
    const word = this.#halfAt(eventIndex ? event : flags);
    if (word === undefined) return undefined;
    const isAsked = eventIndex ? u16Distance(now, word + 1) < chains : (word & 1) === 0;
    return { chains, needed: chains > 0 && isAsked };
  }

  /** Returns the distance that an index went; a step backwards is reported, and counts as none. */
  #step(now: number, before: number, name: string, us: number): number {
    const step = u16Distance(now, before);
    if (step < HALF) return step;
    this.#record.missed(1, `the ${name} index went backwards, from ${before} to ${now}`, us);
    return 0;
  }

  #addChains(end: number, added: number, us: number, beforeUs: number, budget: number): void {
    const { size } = this.#places;
    const count = Math.min(added, size);
    const start = (end - count) & 0xffff;
    if (!this.#entries(this.#places.driver + 4, 2, start, count, this.#heads)) {
      return this.#record.skip(added, 0);
    }
    const contents = this.#contents(count, Math.min(count, budget));
    this.#dropReused(end, contents);
    this.#record.skip(added - count, 0);
    for (let i = 0; i < count; i += 1) this.#add(this.#head(i), contents[i], us, beforeUs);
    const seen = contents.reduce((sum, each) => sum + Number(each !== undefined), 0);
    const reason = count > budget ? tooMany(budget) : OVERWRITTEN;
    this.#record.missed(added - seen, reason, us);
  }

  #add(head: number, contents: ChainContents | undefined, seenUs: number, beforeUs: number): void {
    // A driver never has more chains outstanding than the ring has entries.
    if (this.#record.outstanding.size >= this.#places.size) this.#record.outstanding.takeOldest();
    this.#record.available({ head, slots: 1, contents, seenUs, beforeUs });
  }

  /** Reads chains, the newest first: what it has in common with an older one was that one's before. */
  #contents(count: number, budget: number): (ChainContents | undefined)[] {
    const contents = Array.from<unknown, ChainContents | undefined>(
      { length: count },
      () => undefined,
    );
    const { descriptors, size } = this.#places;
    const { space } = this.#places;
    if (this.#view.read(space, descriptors, this.#table, 0, 16 * size) < 16 * size) return contents;
    this.#owners.fill(NO_CHAIN);
    for (let i = count - 1; i >= count - budget; i -= 1)
      contents[i] = this.#chain(this.#head(i), i);
    return contents;
  }

  /** Reads a chain; undefined if a newer one has overwritten it. */
  #chain(head: number, at: number): ChainContents | undefined {
    const { size } = this.#places;
    const chain: RingDescriptor[] = [];
    let index = head;
    for (let steps = 0; steps < size; steps += 1) {
      if (index >= size) {
        return this.#reader.read(chain, `descriptor ${index} is outside of a table of ${size}`);
      }
      const owner = this.#owners[index];
      if (owner === at) return this.#reader.read(chain, "the descriptors form a loop");
      if (owner !== NO_CHAIN) return undefined;
      this.#owners[index] = at;
      const each = descriptorAt(this.#words, 16 * index, "split");
      chain.push(each);
      if ((each.flags & DescriptorFlag.Next) === 0) return this.#reader.read(chain);
      index = each.third;
    }
    return this.#reader.read(chain, "the descriptors form a loop");
  }

  /** Gives up chains whose descriptors the driver has reused while they were read. */
  #dropReused(end: number, contents: (ChainContents | undefined)[]): void {
    const now = this.#indexAt(this.#places.driver);
    const newer = now === undefined ? 0 : u16Distance(now, end);
    if (now === undefined || newer === 0 || newer >= HALF) return;
    const count = Math.min(newer, this.#places.size);
    const heads = new Uint8Array(2 * count);
    if (!this.#entries(this.#places.driver + 4, 2, (now - count) & 0xffff, count, heads)) return;
    for (let i = 0; i < count; i += 1) {
      const owner = this.#owners[(heads[2 * i] ?? 0) | ((heads[2 * i + 1] ?? 0) << 8)] ?? NO_CHAIN;
      if (owner !== NO_CHAIN) contents[owner] = undefined;
    }
  }

  #useChains(end: number, done: number, us: number, beforeUs: number): void {
    const { size } = this.#places;
    const count = Math.min(done, size);
    const start = (end - count) & 0xffff;
    const isRead = this.#entries(this.#places.device + 4, 8, start, count, this.#used);
    const words = new DataView(this.#used.buffer);
    this.#record.skip(0, isRead ? done - count : done);
    for (let i = 0; isRead && i < count; i += 1) {
      const id = words.getUint32(8 * i, true);
      const chain = this.#take(id, i === count - 1);
      // Without an entry of its own, a chain counts as filled (VIRTIO 2.7.8).
      const isOwn = chain === undefined || chain.head === id;
      const written = isOwn ? words.getUint32(8 * i + 4, true) : (chain.contents?.writable ?? 0);
      this.#record.used(chain, written, us, beforeUs);
    }
  }

  /** In order, one entry may cover the chains before it: its own comes last. */
  #take(id: number, isLast: boolean): Chain | undefined {
    const { outstanding } = this.#record;
    if (this.#inOrder && !isLast) return outstanding.takeOldest();
    return outstanding.take(id) ?? (this.#inOrder ? outstanding.takeOldest() : undefined);
  }

  #head(i: number): number {
    return (this.#heads[2 * i] ?? 0) | ((this.#heads[2 * i + 1] ?? 0) << 8);
  }

  /** Reads entries of a ring, in two parts where they wrap. */
  #entries(at: number, bytes: number, start: number, count: number, target: Uint8Array): boolean {
    const { size, space } = this.#places;
    const first = start & (size - 1);
    const here = Math.min(count, size - first);
    const read = (index: number, entries: number, to: number): boolean =>
      this.#view.read(space, at + bytes * index, target, to * bytes, entries * bytes) ===
      entries * bytes;
    return read(first, here, 0) && (here === count || read(0, count - here, here));
  }

  /** The index in a ring's second half-word. Eight bytes are copied at once, and do not tear. */
  #indexAt(ring: number): number | undefined {
    if (this.#view.read(this.#places.space, ring, this.#index, 0, 8) < 8) return undefined;
    return (this.#index[2] ?? 0) | ((this.#index[3] ?? 0) << 8);
  }

  #halfAt(address: number): number | undefined {
    if (this.#view.read(this.#places.space, address, this.#index, 0, 2) < 2) return undefined;
    return (this.#index[0] ?? 0) | ((this.#index[1] ?? 0) << 8);
  }
}
