import { type AddressSpace, Resolved, SpanList } from "../../memory/index.ts";
import type { RawRing } from "../raw-ring.ts";
import type { ChainCursor } from "../types.ts";
import { DescriptorFlag } from "./layout.ts";

/**
 * A chain longer than the queue breaks VIRTIO 2.7.5.3.1, yet drivers that put more segments into an
 * indirect table than a small queue has entries exist and every device serves them. This bounds the
 * work for one chain where the queue size does not.
 */
const MAX_CHAIN = 1024;

/** A high half of an address from here on lies above 2^53, where nothing can be mapped. */
const HIGH_LIMIT = 2 ** 21;

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
  /** Where an indirect table lies. */
  readonly #table = new SpanList(4);
  /** One descriptor of a table that cannot be read in place. */
  readonly #copy = new Uint8Array(16);
  readonly #copyWords = new Uint32Array(this.#copy.buffer);
  // The descriptor read last.
  #address = 0;
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
    let tableAddress = -1;
    let tableSize = this.#ring.size;
    let index = head;
    for (let count = 0; count < this.#limit; count += 1) {
      if (index >= tableSize) {
        return fault("2.7.5", `expected next below ${tableSize}, got ${index}`);
      }
      const read =
        tableAddress < 0 ? this.#readDirect(index) : this.#readIndirect(tableAddress, index);
      if (read !== undefined) return read;
      const flags = this.#flags;
      if ((flags & DescriptorFlag.Indirect) !== 0) {
        const wrong = this.#checkIndirect(tableAddress >= 0);
        if (wrong !== undefined) return wrong;
        tableAddress = this.#address;
        tableSize = this.#length / 16;
        index = 0;
        continue;
      }
      const wrong = this.#append(chain);
      if (wrong !== undefined) return wrong;
      if ((flags & DescriptorFlag.Next) === 0) return undefined;
      index = this.#next;
    }
    return fault("2.7.5.2", `expected a chain of at most ${this.#limit} descriptors, got a longer one or a loop`);
  }

  #append(chain: ChainCursor): ChainFault | undefined {
    const writable = (this.#flags & DescriptorFlag.Write) !== 0;
    const length = this.#length;
    if (!writable && chain.writableBytes > 0) {
      return fault("2.7.4.2", "expected readable descriptors before writable ones, got a readable one after");
    }
    const resolved = this.#memory.resolve(this.#address, length, writable, chain.spans);
    if (resolved !== Resolved.Ok) {
      return fault(
        "2.7.5",
        `expected a buffer inside shared memory, got ${length} bytes at guest address 0x${this.#address.toString(16)}`,
      );
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
    this.#table.clear();
    if (this.#memory.resolve(this.#address, this.#length, false, this.#table) !== Resolved.Ok) {
      return fault("2.7.5.3", `expected an indirect table inside shared memory, got 0x${this.#address.toString(16)}`);
    }
    return undefined;
  }

  #readDirect(index: number): ChainFault | undefined {
    return this.#take(this.#ring.descriptors, index * 4);
  }

  #readIndirect(tableAddress: number, index: number): ChainFault | undefined {
    const table = this.#table;
    const window = table.windows[0];
    const offset = table.offsets[0] ?? 0;
    if (table.count === 1 && window !== undefined && (offset & 3) === 0) {
      return this.#take(window.u32, (offset >>> 2) + index * 4);
    }
    return this.#readScattered(tableAddress + index * 16);
  }

  /** An entry of a table that is not aligned, or that lies across regions. */
  #readScattered(address: number): ChainFault | undefined {
    const table = this.#table;
    table.clear();
    if (this.#memory.resolve(address, 16, false, table) !== Resolved.Ok) {
      return fault("2.7.5.3", "an indirect table left shared memory");
    }
    let at = 0;
    for (let span = 0; span < table.count; span += 1) {
      const bytes = table.windows[span]?.bytes;
      const offset = table.offsets[span] ?? 0;
      const length = table.lengths[span] ?? 0;
      for (let i = 0; i < length; i += 1) this.#copy[at++] = bytes?.[offset + i] ?? 0;
    }
    // The next entry resolves its own address again, as the table is not contiguous here.
    table.count = 2;
    return this.#take(this.#copyWords, 0);
  }

  /** Reads the four words of a descriptor, each of them once. */
  #take(words: Uint32Array, at: number): ChainFault | undefined {
    const low = words[at] ?? 0;
    const high = words[at + 1] ?? 0;
    this.#length = words[at + 2] ?? 0;
    const tail = words[at + 3] ?? 0;
    this.#flags = tail & 0xffff;
    this.#next = tail >>> 16;
    this.#address = high * 2 ** 32 + low;
    if (high >= HIGH_LIMIT && this.#length > 0) {
      return fault("2.7.5", `expected a guest address below 2^53, got high half 0x${high.toString(16)}`);
    }
    return undefined;
  }
}

function fault(section: string, reason: string): ChainFault {
  return { section, reason };
}
