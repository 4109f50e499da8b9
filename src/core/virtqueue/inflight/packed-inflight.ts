import { counted, QueueError } from "../../base/index.ts";
import type { InflightArea } from "../../memory/index.ts";
import { type Descriptor, DescriptorFlag } from "../descriptor.ts";
import { RingPosition, WRAP } from "../packed/layout.ts";
import { expectVersion, InflightHeader, type InflightOrigin } from "./inflight-header.ts";

const HEADER_BYTES = 32;
const ENTRY_BYTES = 32;
/** Positions of the header's half words and of its two bytes. */
const FREE_HEAD = 6;
const OLD_FREE_HEAD = 7;
const USED_IDX = 8;
const OLD_USED_IDX = 9;
const USED_WRAP = 20;
const OLD_USED_WRAP = 21;

/** Half words of an entry. */
const Entry = { Next: 1, Last: 2, Num: 3, Id: 8, Flags: 9 } as const;

/**
 * What a packed ring notes of the requests it has in work ("Inflight I/O tracking", packed
 * virtqueue): a copy of every descriptor taken, as the ring's own may be overwritten.
 *
 * | part | contents |
 * | --- | --- |
 * | header | 0:8 features, 8:2 version, 10:2 desc_num, 12:2 free_head, 14:2 old_free_head, 16:2 used_idx, 18:2 old_used_idx, 20:1 used_wrap_counter, 21:1 old_used_wrap_counter, 22:7 padding |
 * | entry i, at 32 + 32i | 0:1 inflight, 1:1 padding, 2:2 next, 4:2 last, 6:2 num, 8:8 counter, 16:2 id, 18:2 flags, 20:4 len, 24:8 addr |
 *
 * Each completion is a batch of its own: of a longer one the driver could find the second half in the
 * ring although the first was taken back. Ordering and trust are as in the split format: the region
 * is read at the start only, where everything in it is checked.
 */
export class PackedInflight {
  /** First entries of the chains to be served again, in the order in which they were taken. */
  readonly resubmit: Uint16Array;
  readonly area: InflightArea;
  /** Nothing was noted before: the ring begins where its base says. */
  readonly fresh: boolean;
  /** Where the next completion goes. */
  readonly used: RingPosition;
  /** Ring descriptors of the chains to be served again. */
  outstanding = 0;
  readonly #bytes: Uint8Array;
  readonly #halves: Uint16Array;
  readonly #words: Uint32Array;
  readonly #counter: InflightHeader;
  /** The list of free entries and the chains, as they stand in the region. */
  readonly #next: Uint16Array;
  readonly #last: Uint16Array;
  readonly #counts: Uint16Array;
  #freeHead = 0;
  /** First entry, and descriptors so far, of the chain that is being taken. */
  #head = 0;
  #count = 0;
  /** The old head of free entries when that chain began. */
  #oldFreeHead = 0;

  /**
   * @param size of the ring
   * @param base where a ring that has not begun begins (SET_VRING_BASE)
   * @param descriptors of the ring, half words
   * @throws {QueueError} the region is not this ring's, or makes no sense
   */
  constructor(area: InflightArea, size: number, base: number, descriptors: Uint16Array) {
    const { view, entries } = area;
    const { buffer } = view.window.bytes;
    this.area = area;
    this.#bytes = new Uint8Array(buffer, view.offset, HEADER_BYTES + ENTRY_BYTES * entries);
    this.#halves = new Uint16Array(buffer, view.offset, this.#bytes.length / 2);
    this.#words = new Uint32Array(buffer, view.offset, this.#bytes.length / 4);
    this.#next = new Uint16Array(entries);
    this.#last = new Uint16Array(entries);
    this.#counts = new Uint16Array(entries);
    this.#counter = new InflightHeader(this.#words);
    this.fresh = expectVersion(this.#halves, entries, size) === "fresh";
    if (this.fresh) {
      this.used = new RingPosition(size, base >>> 16);
      this.resubmit = this.#prepare(entries);
      return;
    }
    this.#settleLastBatch(descriptors, size);
    this.used = new RingPosition(size, this.#half(OLD_USED_IDX, OLD_USED_WRAP));
    this.resubmit = this.#marked(entries, size);
  }

  /** A descriptor was taken from the ring. @param first of its chain @param last of its chain */
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
      this.#last[this.#head] = entry;
      this.#halves[halfOf(this.#head, Entry.Last)] = entry;
    }
    this.#halves[halfOf(this.#head, Entry.Num)] = this.#count;
    this.#words[wordOf(entry, 6)] = low;
    this.#words[wordOf(entry, 7)] = high;
    this.#words[wordOf(entry, 5)] = length;
    this.#halves[halfOf(entry, Entry.Id)] = third;
    this.#halves[halfOf(entry, Entry.Flags)] = fourth;
    this.#freeHead = this.#next[entry] ?? 0;
    Atomics.store(this.#halves, FREE_HEAD, this.#freeHead);
    if (last) Atomics.store(this.#halves, OLD_FREE_HEAD, this.#freeHead);
  }

  /** The chain that was taken last is left in the ring after all; what was noted of it goes. */
  undoTake(): void {
    if (this.#count === 0) return;
    this.#count = 0;
    this.#freeHead = this.#head;
    // The reverse of taking: at every instant the chain is either noted or free.
    Atomics.store(this.#halves, OLD_FREE_HEAD, this.#oldFreeHead);
    Atomics.store(this.#halves, FREE_HEAD, this.#freeHead);
    Atomics.store(this.#bytes, byteOf(this.#head), 0);
  }

  /** First entry of the chain that was taken last. */
  get head(): number {
    return this.#head;
  }

  /** Descriptors of a chain that is to be served again. */
  countOf(head: number): number {
    return this.#counts[head] ?? 0;
  }

  /** A descriptor of such a chain. Returns the entry of the one behind it. */
  read(entry: number, into: Descriptor): number {
    into.low = (this.#words[wordOf(entry, 6)] ?? 0) | 0;
    into.high = (this.#words[wordOf(entry, 7)] ?? 0) | 0;
    into.length = this.#words[wordOf(entry, 5)] ?? 0;
    into.third = this.#halves[halfOf(entry, Entry.Id)] ?? 0;
    into.fourth = this.#halves[halfOf(entry, Entry.Flags)] ?? 0;
    return this.#next[entry] ?? 0;
  }

  /** A chain is done, and the driver is about to be shown. @param used position behind it */
  completing(head: number, used: RingPosition): void {
    const last = this.#last[head] ?? head;
    this.#next[last] = this.#freeHead;
    this.#halves[halfOf(last, Entry.Next)] = this.#freeHead;
    this.#freeHead = head;
    Atomics.store(this.#halves, FREE_HEAD, head);
    Atomics.store(this.#halves, USED_IDX, used.index);
    Atomics.store(this.#bytes, USED_WRAP, used.wrap ? 1 : 0);
  }

  /** The driver was shown: {@link completing} stands. */
  published(head: number, used: RingPosition): void {
    Atomics.store(this.#bytes, byteOf(head), 0);
    Atomics.store(this.#halves, OLD_FREE_HEAD, this.#freeHead);
    Atomics.store(this.#halves, OLD_USED_IDX, used.index);
    Atomics.store(this.#bytes, OLD_USED_WRAP, used.wrap ? 1 : 0);
  }

  /** A region that nobody has used: every entry is free, the ring stands where it begins. */
  #prepare(entries: number): Uint16Array {
    this.#bytes.fill(0);
    for (let entry = 0; entry < entries; entry += 1) {
      this.#next[entry] = entry + 1;
      this.#halves[halfOf(entry, Entry.Next)] = entry + 1;
    }
    const { index, wrap } = this.used;
    this.#halves[USED_IDX] = index;
    this.#halves[OLD_USED_IDX] = index;
    this.#bytes[USED_WRAP] = wrap ? 1 : 0;
    this.#bytes[OLD_USED_WRAP] = wrap ? 1 : 0;
    this.#counter.begin(this.#halves, entries);
    return new Uint16Array(0);
  }

  /**
   * Takes back, or carries through, what a back-end was in the middle of. The old positions tell
   * where it stood before; of the new ones, the free head is the first to be written and the first to
   * be carried over: where both free heads are the same, what the others say was shown.
   */
  #settleLastBatch(ring: Uint16Array, size: number): void {
    const half = this.#half(OLD_USED_IDX, OLD_USED_WRAP);
    const now = this.#half(USED_IDX, USED_WRAP);
    if ((half & (WRAP - 1)) >= size || (now & (WRAP - 1)) >= size) {
      throw new QueueError(
        `in-flight region: expected used positions below ${size}, ` +
          `got ${half & (WRAP - 1)} and ${now & (WRAP - 1)}`,
      );
    }
    const freeHead = this.#halves[FREE_HEAD] ?? 0;
    const oldFreeHead = this.#halves[OLD_FREE_HEAD] ?? 0;
    const published = freeHead === oldFreeHead || !isAvailable(ring, half);
    if (now !== half && published) {
      Atomics.store(this.#halves, OLD_FREE_HEAD, freeHead);
      Atomics.store(this.#halves, OLD_USED_IDX, now & (WRAP - 1));
      Atomics.store(this.#bytes, OLD_USED_WRAP, now >>> 15);
      this.#freeHead = freeHead;
      return;
    }
    this.#freeHead = oldFreeHead;
    Atomics.store(this.#halves, USED_IDX, half & (WRAP - 1));
    Atomics.store(this.#bytes, USED_WRAP, half >>> 15);
    // The last: with the free heads the same, the rest would count as shown.
    Atomics.store(this.#halves, FREE_HEAD, oldFreeHead);
  }

  /** Every entry is either free or part of exactly one chain in flight. */
  #marked(entries: number, size: number): Uint16Array {
    const seen = new Uint8Array(entries);
    const visit = (entry: number, what: string): number => {
      if (entry >= entries || seen[entry] !== 0) {
        throw new QueueError(
          `in-flight region: expected ${what} to go on with an entry below ${entries} that nothing else has, ` +
            `got ${entry}`,
        );
      }
      seen[entry] = 1;
      const next = this.#halves[halfOf(entry, Entry.Next)] ?? 0;
      this.#next[entry] = next;
      return next;
    };
    let known = 0;
    for (let entry = this.#freeHead; entry !== entries; known += 1) {
      const next = visit(entry, "the free list");
      Atomics.store(this.#bytes, byteOf(entry), 0);
      entry = next;
    }
    const found: InflightOrigin[] = [];
    for (let head = 0; head < entries; head += 1) {
      if (seen[head] !== 0 || this.#bytes[byteOf(head)] !== 1) continue;
      const count = this.#halves[halfOf(head, Entry.Num)] ?? 0;
      let entry = head;
      for (let i = 0; i < count; i += 1) {
        this.#last[head] = entry;
        entry = visit(entry, `the chain at ${head}`);
      }
      this.#counts[head] = count;
      this.outstanding += count;
      found.push(this.#counter.originOf(head, wordOf(head, 2)));
    }
    if (known + this.outstanding !== entries || this.outstanding > size) {
      throw new QueueError(
        `in-flight region: expected ${counted(entries, "entry", "entries")} in all and up to ${size} in flight, ` +
          `got ${known} free and ${this.outstanding} in flight`,
      );
    }
    return this.#counter.inOrder(found);
  }

  /** A position in the ring and its wrap counter, in the form that a base has. */
  #half(index: number, wrap: number): number {
    return (this.#halves[index] ?? 0) | (this.#bytes[wrap] === 0 ? 0 : WRAP);
  }
}

function byteOf(entry: number): number {
  return HEADER_BYTES + ENTRY_BYTES * entry;
}

function halfOf(entry: number, field: number): number {
  return byteOf(entry) / 2 + field;
}

function wordOf(entry: number, field: number): number {
  return byteOf(entry) / 4 + field;
}

/** Whether the ring's descriptor at a position reads as one that the device has not used yet. */
function isAvailable(ring: Uint16Array, half: number): boolean {
  const flags = Atomics.load(ring, (half & (WRAP - 1)) * 8 + 7);
  const wrap = (half & WRAP) !== 0;
  return (
    ((flags & DescriptorFlag.Available) !== 0) === wrap &&
    ((flags & DescriptorFlag.Used) !== 0) !== wrap
  );
}
