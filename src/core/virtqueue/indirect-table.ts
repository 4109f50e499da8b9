import { type AddressSpace, Resolved, SpanList } from "../memory/index.ts";
import { outside } from "./chain.ts";
import type { Descriptor } from "./descriptor.ts";
import type { QueueFault } from "./types.ts";

/** The indirect table of a chain (VIRTIO 2.7.5.3, 2.8.7), read in place if that is possible. */
export class IndirectTable {
  /** Number of entries. */
  size = 0;
  /** The fault of the last table, if it is outside of shared memory. */
  outside: QueueFault | undefined;
  readonly #memory: AddressSpace;
  /** The spans of the table, or of one of its descriptors. */
  readonly #spans = new SpanList(4);
  /** The words of the table; undefined if it cannot be read in place. */
  #words: Uint32Array | undefined;
  #first = 0;
  #low = 0;
  #high = 0;
  /** A copy of one descriptor of a table that cannot be read in place. */
  readonly #copy = new Uint8Array(16);
  readonly #copyWords = new Uint32Array(this.#copy.buffer);

  constructor(memory: AddressSpace) {
    this.#memory = memory;
  }

  /**
   * Opens the table that a descriptor refers to; its length is a multiple of 16.
   *
   * @param section VIRTIO section of the rule that the table is in memory
   */
  open(descriptor: Descriptor, section: string): Resolved {
    const { low, high, length } = descriptor;
    const spans = this.#spans;
    spans.clear();
    const resolved = this.#memory.resolve(low, high, length, false, spans);
    this.outside =
      resolved === Resolved.Fault ? outside("an indirect table", descriptor, section) : undefined;
    if (resolved !== Resolved.Ok) return resolved;
    const offset = spans.offsets[0] ?? 0;
    const inPlace = spans.count === 1 && (offset & 3) === 0;
    this.#words = inPlace ? spans.windows[0]?.u32 : undefined;
    this.#first = offset >>> 2;
    this.#low = low;
    this.#high = high;
    this.size = length / 16;
    return Resolved.Ok;
  }

  /** @param index below {@link size} */
  take(index: number, into: Descriptor): void {
    if (this.#words !== undefined) into.take(this.#words, this.#first + index * 4);
    else this.#takeScattered(index, into);
  }

  /** Takes an entry of a table that is not aligned, or that crosses windows or regions. */
  #takeScattered(index: number, into: Descriptor): void {
    const address = (this.#low >>> 0) + index * 16;
    const high = this.#high + Math.floor(address / 2 ** 32);
    const spans = this.#spans;
    spans.clear();
    // The whole table was found in memory, and the regions do not change while a chain is walked.
    this.#memory.resolve(address | 0, high, 16, false, spans);
    let at = 0;
    for (let span = 0; span < spans.count; span += 1) {
      const bytes = spans.windows[span]?.bytes;
      const offset = spans.offsets[span] ?? 0;
      const length = spans.lengths[span] ?? 0;
      for (let i = 0; i < length; i += 1) this.#copy[at++] = bytes?.[offset + i] ?? 0;
    }
    into.take(this.#copyWords, 0);
  }
}
