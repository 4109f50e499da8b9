import { counted } from "../../base/index.ts";
import { type AddressSpace, Resolved, type SpanList } from "../../memory/index.ts";
import {
  appendBuffer,
  appendSingle,
  appendUnreachable,
  fault,
  MISSING,
  PACKED_CHAIN_RULES,
  resetChain,
  takeSingle,
} from "../chain.ts";
import { Descriptor, DescriptorFlag } from "../descriptor.ts";
import { IndirectTable } from "../indirect-table.ts";
import type { PackedInflight } from "../inflight/packed-inflight.ts";
import type { PackedRingWords } from "../ring-words.ts";
import type { ChainCursor, DriverReports, QueueFault } from "../types.ts";

const { Write, Next, Indirect } = DescriptorFlag;

/** The limit on descriptors of an indirect table, if the queue is smaller. */
const MAX_CHAIN = 1024;

/** Follows the descriptor chains of a packed ring and translates their buffers. */
export class PackedChainWalker {
  /**
   * The number of ring descriptors of the chain that was walked last; `bufferId` is its buffer id.
   */
  count = 0;
  bufferId = 0;
  readonly #ring: PackedRingWords;
  readonly #memory: AddressSpace;
  readonly #indirect: boolean;
  readonly #reports: DriverReports | undefined;
  readonly #inflight: PackedInflight | undefined;
  readonly #descriptor = new Descriptor();
  readonly #table: IndirectTable;

  /** @param inflight receives a copy of each descriptor of the ring */
  constructor(
    ring: PackedRingWords,
    memory: AddressSpace,
    indirect: boolean,
    inflight: PackedInflight | undefined,
    reports: DriverReports | undefined,
  ) {
    this.#reports = reports;
    this.#ring = ring;
    this.#memory = memory;
    this.#indirect = indirect;
    this.#inflight = inflight;
    this.#table = new IndirectTable(memory);
  }

  /**
   * Fills the cursor from the chain that starts at `index`. Returns the rule that it breaks, if
   * any.
   *
   * @param room ring descriptors that it can have at most
   */
  walk(index: number, room: number, chain: ChainCursor): QueueFault | undefined {
    const { descriptors } = this.#ring;
    const tail = descriptors[index * 4 + 3] ?? 0;
    const plain = ((tail >>> 16) & (Next | Indirect)) === 0;
    if (plain && room > 0 && this.#inflight === undefined) {
      const writable = ((tail >>> 16) & Write) !== 0;
      if (takeSingle(chain, descriptors, index * 4, writable, this.#memory)) {
        this.count = 1;
        this.bufferId = tail & 0xffff;
        return undefined;
      }
    }
    return this.#follow(index, room, chain);
  }

  /**
   * Takes single-descriptor chains as `DeviceQueue.takeSingles` does, from `index` on, not beyond
   * the ring's end.
   *
   * @param ids receives the buffer ids
   */
  singles(index: number, max: number, spans: SpanList, ids: Uint16Array): number {
    const { descriptors } = this.#ring;
    let count = 0;
    for (; count < max; count += 1) {
      const at = (index + count) * 4;
      const tail = descriptors[at + 3] ?? 0;
      if (((tail >>> 16) & (Next | Indirect | Write)) !== 0) break;
      if (!appendSingle(spans, descriptors, at, this.#memory)) break;
      ids[count] = tail & 0xffff;
    }
    return count;
  }

  #follow(index: number, room: number, chain: ChainCursor): QueueFault | undefined {
    const { size } = this.#ring;
    const descriptor = this.#descriptor;
    resetChain(chain);
    for (let count = 0; count < room;) {
      descriptor.take(this.#ring.descriptors, index * 4);
      count += 1;
      const last = (descriptor.fourth & Next) === 0;
      this.#inflight?.take(descriptor, count === 1, last);
      const wrong = this.#append(chain, count);
      if (wrong !== undefined || last) return wrong;
      index = index + 1 === size ? 0 : index + 1;
    }
    return fault(
      "2.8.17",
      `expected at most ${counted(size, "descriptor")} available or in use, got more or a chain without end`,
    );
  }

  /** Walks the copies of a chain that was taken by the previous back-end. */
  walkAgain(inflight: PackedInflight, head: number, chain: ChainCursor): QueueFault | undefined {
    resetChain(chain);
    const count = inflight.countOf(head);
    let entry = head;
    for (let i = 1; i <= count; i += 1) {
      entry = inflight.read(entry, this.#descriptor);
      const wrong = this.#append(chain, i);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }

  /** The last descriptor of a chain carries the buffer's id. */
  #append(chain: ChainCursor, count: number): QueueFault | undefined {
    const descriptor = this.#descriptor;
    const { third, fourth: flags } = descriptor;
    this.count = count;
    this.bufferId = third;
    if ((flags & Indirect) === 0) {
      const writable = (flags & Write) !== 0;
      return appendBuffer(chain, descriptor, writable, this.#memory, PACKED_CHAIN_RULES);
    }
    if (count === 1 && (flags & Next) === 0) return this.#appendTable(chain);
    return fault("2.8.19", "got an indirect descriptor in a chain of several");
  }

  /** The entries of an indirect table follow each other; of their flags only WRITE means anything. */
  #appendTable(chain: ChainCursor): QueueFault | undefined {
    const descriptor = this.#descriptor;
    const table = this.#table;
    if (!this.#indirect && this.#reports?.tolerates("VIRTIO_RING_F_INDIRECT_DESC") !== true) {
      return fault("2.8.19", "got an indirect descriptor without VIRTIO_RING_F_INDIRECT_DESC");
    }
    if (descriptor.length === 0 || descriptor.length % 16 !== 0) {
      return fault("2.8.7", `expected an indirect table of n * 16 bytes, got ${descriptor.length}`);
    }
    const opened = table.open(descriptor, "2.8.7");
    if (opened === Resolved.Miss) return MISSING;
    if (table.outside !== undefined) {
      appendUnreachable(chain, table.outside);
      return undefined;
    }
    const limit = Math.max(this.#ring.size, MAX_CHAIN);
    if (table.size > limit) {
      return fault(
        "2.8.19",
        `expected at most ${counted(limit, "descriptor")} in a table, got ${table.size}`,
      );
    }
    for (let i = 0; i < table.size; i += 1) {
      table.take(i, descriptor);
      const writable = (descriptor.fourth & Write) !== 0;
      const wrong = appendBuffer(chain, descriptor, writable, this.#memory, PACKED_CHAIN_RULES);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }
}
