import { type AddressSpace, MAX_SPANS, Resolved, SpanList } from "../../memory/index.ts";
import type { RawRing } from "../raw-ring.ts";
import type { ChainCursor } from "../types.ts";
import { DescriptorFlag } from "./layout.ts";

/**
 * A chain longer than the queue breaks VIRTIO 2.7.5.3.1, yet drivers that put more segments into an
 * indirect table than a small queue has entries exist and every device serves them. This bounds the
 * work for one chain where the queue size does not.
 */
const MAX_CHAIN = 1024;

/** Why a chain cannot be served. */
export interface ChainFault {
  reason: string;
  section: string;
}

/**
 * Follows one descriptor chain and translates its buffers. Every field of a descriptor is read
 * exactly once into a local: the driver may change shared memory at any moment.
 */
export class ChainWalker {
  readonly #ring: RawRing;
  readonly #memory: AddressSpace;
  readonly #indirect: boolean;
  readonly #limit: number;
  /** Pieces of an indirect table, or of one of its descriptors. */
  readonly #pieces = new SpanList(4);
  /** The indirect table of the chain, where it can be read in place: else undefined. */
  #table: Uint32Array | undefined;
  /** First word of the table. */
  #tableStart = 0;
  /** Guest address of the table. */
  #tableLow = 0;
  #tableHigh = 0;
  /** One descriptor of a table that cannot be read in place. */
  readonly #copy = new Uint8Array(16);
  readonly #copyWords = new Uint32Array(this.#copy.buffer);
  // The descriptor read last; the halves of the address are signed.
  #low = 0;
  #high = 0;
  #length = 0;
  #flags = 0;
  #next = 0;

  constructor(ring: RawRing, memory: AddressSpace, indirect: boolean) {
    this.#ring = ring;
    this.#memory = memory;
    this.#indirect = indirect;
    this.#limit = Math.max(ring.size, MAX_CHAIN);
  }

  /** Fills the cursor from the chain that starts at `head`; undefined: it is in order. */
  walk(head: number, chain: ChainCursor): ChainFault | undefined {
    chain.id = head;
    chain.spans.clear();
    chain.readableSpans = 0;
    chain.readableBytes = 0;
    chain.writableBytes = 0;
    let indirect = false;
    let tableSize = this.#ring.size;
    let index = head;
    // The descriptor that names a table holds no buffer and does not count; there is at most one.
    for (let count = 0; count < this.#limit;) {
      if (index >= tableSize) {
        return fault("2.7.5", `expected next below ${tableSize}, got ${index}`);
      }
      if (!indirect) this.#take(this.#ring.descriptors, index * 4);
      else if (this.#table !== undefined) this.#take(this.#table, this.#tableStart + index * 4);
      else this.#takeScattered(index);
      const flags = this.#flags;
      if ((flags & DescriptorFlag.Indirect) !== 0) {
        const wrong = this.#checkIndirect(indirect);
        if (wrong !== undefined) return wrong;
        indirect = true;
        tableSize = this.#length / 16;
        index = 0;
        continue;
      }
      count += 1;
      const wrong = this.#append(chain);
      if (wrong !== undefined) return wrong;
      if ((flags & DescriptorFlag.Next) === 0) return undefined;
      index = this.#next;
    }
    return fault(
      "2.7.5.2",
      `expected a chain of at most ${this.#limit} descriptors, got a longer one or a loop`,
    );
  }

  #append(chain: ChainCursor): ChainFault | undefined {
    const writable = (this.#flags & DescriptorFlag.Write) !== 0;
    const length = this.#length;
    if (!writable && chain.writableBytes > 0) {
      return fault(
        "2.7.4.2",
        "expected readable descriptors before writable ones, got a readable one after",
      );
    }
    const resolved = this.#memory.resolve(this.#low, this.#high, length, writable, chain.spans);
    if (resolved !== Resolved.Ok) {
      if (chain.spans.count < MAX_SPANS) return this.#outside("a buffer", "2.7.5");
      return fault("2.7.5", `expected at most ${MAX_SPANS} pieces of memory in a chain, got more`);
    }
    if (writable) chain.writableBytes += length;
    else {
      chain.readableBytes += length;
      chain.readableSpans = chain.spans.count;
    }
    if (chain.readableBytes + chain.writableBytes > 2 ** 32) {
      return fault("2.7.5", "expected at most 2^32 bytes in a chain, got more");
    }
    return undefined;
  }

  #checkIndirect(nested: boolean): ChainFault | undefined {
    if (!this.#indirect) {
      return fault("2.7.5.3.1", "got an indirect descriptor without VIRTIO_RING_F_INDIRECT_DESC");
    }
    if (nested) return fault("2.7.5.3.1", "got an indirect descriptor inside an indirect table");
    if ((this.#flags & DescriptorFlag.Next) !== 0) {
      return fault("2.7.5.3.1", "got a descriptor with both INDIRECT and NEXT");
    }
    if (this.#length === 0 || this.#length % 16 !== 0) {
      return fault("2.7.5.3", `expected an indirect table of n * 16 bytes, got ${this.#length}`);
    }
    const pieces = this.#pieces;
    pieces.clear();
    if (this.#memory.resolve(this.#low, this.#high, this.#length, false, pieces) !== Resolved.Ok) {
      return this.#outside("an indirect table", "2.7.5.3");
    }
    const offset = pieces.offsets[0] ?? 0;
    const inPlace = pieces.count === 1 && (offset & 3) === 0;
    this.#table = inPlace ? pieces.windows[0]?.u32 : undefined;
    this.#tableStart = offset >>> 2;
    this.#tableLow = this.#low;
    this.#tableHigh = this.#high;
    return undefined;
  }

  /** An entry of a table that is not aligned, or that lies across windows or regions. */
  #takeScattered(index: number): void {
    const address = (this.#tableLow >>> 0) + index * 16;
    const high = this.#tableHigh + Math.floor(address / 2 ** 32);
    const pieces = this.#pieces;
    pieces.clear();
    // The whole table was found in memory, and the regions do not change while a chain is walked.
    this.#memory.resolve(address | 0, high, 16, false, pieces);
    let at = 0;
    for (let piece = 0; piece < pieces.count; piece += 1) {
      const bytes = pieces.windows[piece]?.bytes;
      const offset = pieces.offsets[piece] ?? 0;
      const length = pieces.lengths[piece] ?? 0;
      for (let i = 0; i < length; i += 1) this.#copy[at++] = bytes?.[offset + i] ?? 0;
    }
    this.#take(this.#copyWords, 0);
  }

  /** Reads the four words of a descriptor, each of them once. */
  #take(words: Uint32Array, at: number): void {
    this.#low = (words[at] ?? 0) | 0;
    this.#high = (words[at + 1] ?? 0) | 0;
    this.#length = words[at + 2] ?? 0;
    const tail = words[at + 3] ?? 0;
    this.#flags = tail & 0xffff;
    this.#next = tail >>> 16;
  }

  #outside(what: string, section: string): ChainFault {
    const address = (BigInt(this.#high >>> 0) << 32n) | BigInt(this.#low >>> 0);
    return fault(
      section,
      `expected ${what} inside shared memory, got ${this.#length} bytes at guest address 0x${address.toString(16)}`,
    );
  }
}

function fault(section: string, reason: string): ChainFault {
  return { section, reason };
}
