import { counted, QueueError } from "../../base/index.ts";
import { DescriptorFlag } from "../descriptor.ts";
import { WRAP } from "../packed/layout.ts";
import {
  byteOf,
  Entry,
  FREE_HEAD,
  halfOf,
  OLD_FREE_HEAD,
  OLD_USED_IDX,
  OLD_USED_WRAP,
  type PackedRegion,
  USED_IDX,
  USED_WRAP,
} from "./packed-region.ts";

/**
 * Completes or undoes the completion that a killed back-end was writing.
 *
 * The old positions are those before the completion. The free head is the first new value to be
 * written and to be confirmed: if both free heads are equal, the completion was published.
 *
 * @param ring descriptors of the ring, half words
 * @returns the head of the free list
 * @throws {QueueError} the used positions are outside of the ring
 */
export function settleLastCompletion(
  region: PackedRegion,
  ring: Uint16Array,
  size: number,
): number {
  const { halves, bytes } = region;
  const before = region.position(OLD_USED_IDX, OLD_USED_WRAP);
  const now = region.position(USED_IDX, USED_WRAP);
  if ((before & (WRAP - 1)) >= size || (now & (WRAP - 1)) >= size) {
    throw new QueueError(
      `in-flight region: expected used positions below ${size}, ` +
        `got ${before & (WRAP - 1)} and ${now & (WRAP - 1)}`,
    );
  }
  const freeHead = halves[FREE_HEAD] ?? 0;
  const oldFreeHead = halves[OLD_FREE_HEAD] ?? 0;
  const published = freeHead === oldFreeHead || !isAvailable(ring, before);
  if (now !== before && published) {
    Atomics.store(halves, OLD_FREE_HEAD, freeHead);
    Atomics.store(halves, OLD_USED_IDX, now & (WRAP - 1));
    Atomics.store(bytes, OLD_USED_WRAP, now >>> 15);
    return freeHead;
  }
  Atomics.store(halves, USED_IDX, before & (WRAP - 1));
  Atomics.store(bytes, USED_WRAP, before >>> 15);
  // Stored last: with equal free heads the completion would count as published.
  Atomics.store(halves, FREE_HEAD, oldFreeHead);
  return oldFreeHead;
}

/** The chains in flight that a region records. */
export interface RecordedChains {
  /** First entries. */
  readonly heads: readonly number[];
  /** By first entry: number of descriptors of the chain. */
  readonly counts: Uint16Array;
  /** Number of descriptors of all chains. */
  readonly descriptors: number;
}

/**
 * Reads the lists of a region. Every entry must be either free or part of exactly one chain.
 *
 * @throws {QueueError} an entry is neither free nor part of exactly one chain
 */
export function readChains(region: PackedRegion, freeHead: number, size: number): RecordedChains {
  const { entries, halves, bytes, next, last } = region;
  const seen = new Uint8Array(entries);
  const visit = (entry: number, what: string): number => {
    if (entry >= entries || seen[entry] !== 0) {
      throw new QueueError(
        `in-flight region: expected ${what} to go on with an entry below ${entries} that nothing else has, ` +
          `got ${entry}`,
      );
    }
    seen[entry] = 1;
    const following = halves[halfOf(entry, Entry.Next)] ?? 0;
    next[entry] = following;
    return following;
  };
  let free = 0;
  for (let entry = freeHead; entry !== entries; free += 1) {
    const following = visit(entry, "the free list");
    Atomics.store(bytes, byteOf(entry), 0);
    entry = following;
  }
  const heads: number[] = [];
  const counts = new Uint16Array(entries);
  let descriptors = 0;
  for (let head = 0; head < entries; head += 1) {
    if (seen[head] !== 0 || bytes[byteOf(head)] !== 1) continue;
    const count = halves[halfOf(head, Entry.Num)] ?? 0;
    let entry = head;
    for (let i = 0; i < count; i += 1) {
      last[head] = entry;
      entry = visit(entry, `the chain at ${head}`);
    }
    counts[head] = count;
    descriptors += count;
    heads.push(head);
  }
  if (free + descriptors !== entries || descriptors > size) {
    throw new QueueError(
      `in-flight region: expected ${counted(entries, "entry", "entries")} in all and up to ${size} in flight, ` +
        `got ${free} free and ${descriptors} in flight`,
    );
  }
  return { heads, counts, descriptors };
}

/** Returns whether the descriptor at a position is one that the device has not used yet. */
function isAvailable(ring: Uint16Array, position: number): boolean {
  const flags = Atomics.load(ring, (position & (WRAP - 1)) * 8 + 7);
  const wrap = (position & WRAP) !== 0;
  return (
    ((flags & DescriptorFlag.Available) !== 0) === wrap &&
    ((flags & DescriptorFlag.Used) !== 0) !== wrap
  );
}
