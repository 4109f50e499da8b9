import { counted } from "../../base/index.ts";
import { type AddressSpace, Resolved, type SpanList } from "../../memory/index.ts";
import {
  appendBuffer,
  appendSingle,
  appendUnreachable,
  fault,
  MISSING,
  resetChain,
  SPLIT_CHAIN_RULES,
  takeSingle,
} from "../chain.ts";
import { Descriptor, DescriptorFlag } from "../descriptor.ts";
import { IndirectTable } from "../indirect-table.ts";
import type { SplitRingWords } from "../ring-words.ts";
import type { ChainCursor, DriverReports, QueueFault } from "../types.ts";

/**
 * A chain longer than the queue breaks VIRTIO 2.7.5.3.1, yet some drivers put more segments into an
 * indirect table than a small queue has entries, and every device serves them. So this limit, and
 * not the queue size, bounds the work for one chain.
 */
const MAX_CHAIN = 1024;

/** Follows the descriptor chains of a split ring and translates their buffers. */
export class ChainWalker {
  readonly #ring: SplitRingWords;
  readonly #memory: AddressSpace;
  readonly #indirect: boolean;
  readonly #reports: DriverReports | undefined;
  readonly #limit: number;
  readonly #descriptor = new Descriptor();
  readonly #table: IndirectTable;

  constructor(
    ring: SplitRingWords,
    memory: AddressSpace,
    indirect: boolean,
    reports: DriverReports | undefined,
  ) {
    this.#reports = reports;
    this.#ring = ring;
    this.#memory = memory;
    this.#indirect = indirect;
    this.#limit = Math.max(ring.size, MAX_CHAIN);
    this.#table = new IndirectTable(memory);
  }

  /**
   * Fills the cursor from the chain that starts at `head`. Returns the rule that it breaks, if any.
   */
  walk(head: number, chain: ChainCursor): QueueFault | undefined {
    const { descriptors, size } = this.#ring;
    if (head < size) {
      const flags = descriptors[head * 4 + 3] ?? 0;
      if ((flags & (DescriptorFlag.Next | DescriptorFlag.Indirect)) === 0) {
        const writable = (flags & DescriptorFlag.Write) !== 0;
        chain.id = head;
        if (takeSingle(chain, descriptors, head * 4, writable, this.#memory)) return undefined;
      }
    }
    return this.#follow(head, chain);
  }

  /**
   * Takes single-descriptor chains as `DeviceQueue.takeSingles` does, from free-running index
   * `from` on.
   *
   * @param heads receives the heads of the chains
   */
  singles(from: number, max: number, spans: SpanList, heads: Uint16Array): number {
    const { descriptors, available, size } = this.#ring;
    const { Next, Indirect, Write } = DescriptorFlag;
    let count = 0;
    for (; count < max; count += 1) {
      const head = available[2 + ((from + count) & (size - 1))] ?? 0;
      if (head >= size) break;
      if (((descriptors[head * 4 + 3] ?? 0) & (Next | Indirect | Write)) !== 0) break;
      if (!appendSingle(spans, descriptors, head * 4, this.#memory)) break;
      heads[count] = head;
    }
    return count;
  }

  #follow(head: number, chain: ChainCursor): QueueFault | undefined {
    const descriptor = this.#descriptor;
    resetChain(chain);
    chain.id = head;
    let indirect = false;
    let tableSize = this.#ring.size;
    let index = head;
    // The descriptor of an indirect table has no buffer and does not count; there is at most one.
    for (let count = 0; count < this.#limit;) {
      if (index >= tableSize) {
        return fault("2.7.5", `expected next below ${tableSize}, got ${index}`);
      }
      if (indirect) this.#table.take(index, descriptor);
      else descriptor.take(this.#ring.descriptors, index * 4);
      const { third: flags, fourth: next } = descriptor;
      if ((flags & DescriptorFlag.Indirect) !== 0) {
        const wrong = this.#openTable(indirect);
        if (wrong === this.#table.outside && wrong !== undefined) {
          appendUnreachable(chain, wrong);
          return undefined;
        }
        if (wrong !== undefined) return wrong;
        indirect = true;
        tableSize = this.#table.size;
        index = 0;
        continue;
      }
      count += 1;
      const writable = (flags & DescriptorFlag.Write) !== 0;
      const wrong = appendBuffer(chain, descriptor, writable, this.#memory, SPLIT_CHAIN_RULES);
      if (wrong !== undefined) return wrong;
      if ((flags & DescriptorFlag.Next) === 0) return undefined;
      index = next;
    }
    return fault(
      "2.7.5.2",
      `the chain has more than ${counted(this.#limit, "descriptor")} or is a loop`,
    );
  }

  #openTable(nested: boolean): QueueFault | undefined {
    const descriptor = this.#descriptor;
    if (!this.#indirect && this.#reports?.tolerates("VIRTIO_RING_F_INDIRECT_DESC") !== true) {
      return fault("2.7.5.3.1", "got an indirect descriptor without VIRTIO_RING_F_INDIRECT_DESC");
    }
    if (nested) return fault("2.7.5.3.1", "got an indirect descriptor inside an indirect table");
    if ((descriptor.third & DescriptorFlag.Next) !== 0) {
      return fault("2.7.5.3.1", "got a descriptor with both INDIRECT and NEXT");
    }
    if (descriptor.length === 0 || descriptor.length % 16 !== 0) {
      return fault(
        "2.7.5.3",
        `expected an indirect table of n * 16 bytes, got ${descriptor.length}`,
      );
    }
    const opened = this.#table.open(descriptor, "2.7.5.3");
    if (opened === Resolved.Ok) return undefined;
    return opened === Resolved.Miss ? MISSING : this.#table.outside;
  }
}
