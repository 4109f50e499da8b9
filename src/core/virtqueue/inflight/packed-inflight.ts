import type { InflightArea } from "../../memory/index.ts";
import type { Descriptor } from "../descriptor.ts";
import { RingPosition } from "../packed/layout.ts";
import { expectVersion, InflightHeader } from "./inflight-header.ts";
import { readChains, settleLastCompletion } from "./packed-recovery.ts";
import {
  byteOf,
  Entry,
  FREE_HEAD,
  halfOf,
  OLD_FREE_HEAD,
  OLD_USED_IDX,
  OLD_USED_WRAP,
  PackedRegion,
  USED_IDX,
  USED_WRAP,
  wordOf,
} from "./packed-region.ts";

/**
 * Records the requests that a packed ring has in flight: copies of their descriptors, as those in
 * the ring may be overwritten.
 *
 * Each completion is a batch of its own: with a longer one, the driver could find the second half
 * in the ring after the first half was undone. As in the split format, the region is read at the
 * start only, where everything in it is checked.
 */
export class PackedInflight {
  /** First entries of the chains to resubmit, in the order in which they were taken. */
  readonly resubmit: Uint16Array;
  readonly area: InflightArea;
  /** True if the region has no earlier record: the ring begins at its base. */
  readonly fresh: boolean;
  /** The position of the next completion. */
  readonly used: RingPosition;
  /** Number of ring descriptors of the chains to resubmit. */
  readonly outstanding: number;
  readonly #region: PackedRegion;
  readonly #bytes: Uint8Array;
  readonly #halves: Uint16Array;
  readonly #words: Uint32Array;
  readonly #counter: InflightHeader;
  /** By first entry of a chain to resubmit: its number of descriptors. */
  readonly #counts: Uint16Array;
  #freeHead = 0;
  /** The first entry of the chain that is being taken, and its number of descriptors so far. */
  #head = 0;
  #count = 0;
  /** The old head of the free list when that chain began. */
  #oldFreeHead = 0;

  /**
   * @param size size of the ring
   * @param base where a ring without a record begins (SET_VRING_BASE)
   * @param descriptors descriptors of the ring, as half words
   * @throws {QueueError} the region is not this ring's, or its lists are inconsistent
   */
  constructor(area: InflightArea, size: number, base: number, descriptors: Uint16Array) {
    const { entries } = area;
    const region = new PackedRegion(area);
    this.area = area;
    this.#region = region;
    this.#bytes = region.bytes;
    this.#halves = region.halves;
    this.#words = region.words;
    this.#counter = new InflightHeader(this.#words);
    this.fresh = expectVersion(this.#halves, entries, size) === "fresh";
    if (this.fresh) {
      this.used = new RingPosition(size, base >>> 16);
      region.prepare(this.used);
      this.#counter.begin(this.#halves, entries);
      this.#counts = new Uint16Array(entries);
      this.outstanding = 0;
      this.resubmit = new Uint16Array(0);
      return;
    }
    this.#freeHead = settleLastCompletion(region, descriptors, size);
    this.used = new RingPosition(size, region.position(OLD_USED_IDX, OLD_USED_WRAP));
    const chains = readChains(region, this.#freeHead, size);
    this.#counts = chains.counts;
    this.outstanding = chains.descriptors;
    this.resubmit = this.#counter.inOrder(
      chains.heads.map((head) => this.#counter.originOf(head, wordOf(head, 2))),
    );
  }

  /**
   * Records a descriptor that was taken from the ring.
   *
   * @param first whether it is the first of its chain
   * @param last whether it is the last of its chain
   */
  take({ low, high, length, third, fourth }: Descriptor, first: boolean, last: boolean): void {
    const entry = this.#freeHead;
    if (entry >= this.area.entries) return;
    if (first) {
      this.#head = entry;
      this.#count = 0;
      this.#oldFreeHead = Atomics.load(this.#halves, OLD_FREE_HEAD);
      this.#halves[halfOf(entry, Entry.Num)] = 0;
      this.#counter.stamp(wordOf(entry, 2));
      Atomics.store(this.#bytes, byteOf(entry), 1);
    }
    this.#count += 1;
    if (last) {
      this.#region.last[this.#head] = entry;
      this.#halves[halfOf(this.#head, Entry.Last)] = entry;
    }
    this.#halves[halfOf(this.#head, Entry.Num)] = this.#count;
    this.#words[wordOf(entry, 6)] = low;
    this.#words[wordOf(entry, 7)] = high;
    this.#words[wordOf(entry, 5)] = length;
    this.#halves[halfOf(entry, Entry.Id)] = third;
    this.#halves[halfOf(entry, Entry.Flags)] = fourth;
    this.#freeHead = this.#region.next[entry] ?? 0;
    Atomics.store(this.#halves, FREE_HEAD, this.#freeHead);
    if (last) Atomics.store(this.#halves, OLD_FREE_HEAD, this.#freeHead);
  }

  /** Removes the record of the chain that was taken last: it stays in the ring. */
  undoTake(): void {
    if (this.#count === 0) return;
    this.#count = 0;
    this.#freeHead = this.#head;
    // The reverse of taking: at every instant the chain is either recorded or free.
    Atomics.store(this.#halves, OLD_FREE_HEAD, this.#oldFreeHead);
    Atomics.store(this.#halves, FREE_HEAD, this.#freeHead);
    Atomics.store(this.#bytes, byteOf(this.#head), 0);
  }

  /** Returns the first entry of the chain that was taken last. */
  get head(): number {
    return this.#head;
  }

  /** Returns the number of descriptors of a chain to resubmit. */
  countOf(head: number): number {
    return this.#counts[head] ?? 0;
  }

  /**
   * Reads a descriptor of a chain to resubmit.
   *
   * @returns the entry of the one behind it
   */
  read(entry: number, into: Descriptor): number {
    into.low = (this.#words[wordOf(entry, 6)] ?? 0) | 0;
    into.high = (this.#words[wordOf(entry, 7)] ?? 0) | 0;
    into.length = this.#words[wordOf(entry, 5)] ?? 0;
    into.third = this.#halves[halfOf(entry, Entry.Id)] ?? 0;
    into.fourth = this.#halves[halfOf(entry, Entry.Flags)] ?? 0;
    return this.#region.next[entry] ?? 0;
  }

  /**
   * Records a completion that is about to be published.
   *
   * @param used position behind it
   */
  completing(head: number, used: RingPosition): void {
    const last = this.#region.last[head] ?? head;
    this.#region.next[last] = this.#freeHead;
    this.#halves[halfOf(last, Entry.Next)] = this.#freeHead;
    this.#freeHead = head;
    Atomics.store(this.#halves, FREE_HEAD, head);
    Atomics.store(this.#halves, USED_IDX, used.index);
    Atomics.store(this.#bytes, USED_WRAP, used.wrap ? 1 : 0);
  }

  /** Confirms {@link completing} once the driver can see the completion. */
  published(head: number, used: RingPosition): void {
    Atomics.store(this.#bytes, byteOf(head), 0);
    Atomics.store(this.#halves, OLD_FREE_HEAD, this.#freeHead);
    Atomics.store(this.#halves, OLD_USED_IDX, used.index);
    Atomics.store(this.#bytes, OLD_USED_WRAP, used.wrap ? 1 : 0);
  }
}
