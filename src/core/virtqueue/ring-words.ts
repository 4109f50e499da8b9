/** Unchecked access to a ring's words, for inspection and for tests that break its rules. */
export type RingWords = SplitRingWords | PackedRingWords;

export interface SplitRingWords {
  readonly format: "split";
  readonly size: number;
  /** Descriptor table: 4 words an entry (address low, address high, length, flags and next). */
  readonly descriptors: Uint32Array;
  /** Descriptor table as half words: 8 an entry, flags at 6, next at 7. */
  readonly descriptors16: Uint16Array;
  /** Available ring: flags, idx, ring[size], used_event. */
  readonly available: Uint16Array;
  /** Used ring as half words: flags, idx, …, avail_event at {@link availEventIndex}. */
  readonly used16: Uint16Array;
  /** Used ring as words: element i is id at 1 + 2i and len at 2 + 2i. */
  readonly used32: Uint32Array;
  /** Index of used_event in {@link available}. */
  readonly usedEventIndex: number;
  /** Index of avail_event in {@link used16}. */
  readonly availEventIndex: number;
}

export interface PackedRingWords {
  readonly format: "packed";
  readonly size: number;
  /** Descriptor ring: 4 words an entry (address low, address high, length, id and flags). */
  readonly descriptors: Uint32Array;
  /** Descriptor ring as half words: 8 an entry, id at 6, flags at 7. */
  readonly descriptors16: Uint16Array;
  /** Driver event area: offset and wrap counter, flags. */
  readonly driverEvent: Uint16Array;
  /** Device event area, the same. */
  readonly deviceEvent: Uint16Array;
}
