import type { ChainBytes, ChainWords } from "../../core/protocol/index.ts";
import type { AddressSpace, GuestView } from "./guest-view.ts";

/** Bytes of a request that are kept: its header and the beginning of its data. */
export const REQUEST_BYTES = 128;

/** A buffer of a chain. */
export interface Segment {
  readonly address: number;
  readonly length: number;
}

/** The contents of a chain's descriptors. */
export interface ChainContents {
  readonly descriptors: number;
  readonly readable: number;
  readonly writable: number;
  /** The buffers for the device to write. */
  readonly replies: readonly Segment[];
  readonly request: Uint8Array;
  /** A rule that the descriptors break. */
  readonly fault?: string | undefined;
}

/** A chain that is available and not used. */
export interface Chain {
  readonly number: number;
  /** Index of its first descriptor, or buffer id. */
  readonly head: number;
  /** Entries of a packed ring that it takes. */
  readonly slots: number;
  /** Undefined if it was not seen in time. */
  readonly contents: ChainContents | undefined;
  words: ChainWords | undefined;
  /** Microseconds of the look that found it, and of the one before. */
  readonly seenUs: number;
  readonly beforeUs: number;
}

/** Chains by their heads and in order. A driver may use a head once until it is returned; some do not. */
export class Outstanding {
  readonly #byHead = new Map<number, Chain[]>();
  readonly #all = new Set<Chain>();
  #segments = 0;

  get size(): number {
    return this.#all.size;
  }

  /** Buffers that are kept of them. */
  get segments(): number {
    return this.#segments;
  }

  get oldest(): Chain | undefined {
    for (const chain of this.#all) return chain;
    return undefined;
  }

  add(chain: Chain): void {
    this.#all.add(chain);
    this.#segments += segmentsOf(chain);
    const same = this.#byHead.get(chain.head);
    if (same === undefined) this.#byHead.set(chain.head, [chain]);
    else same.push(chain);
  }

  /** Removes and returns the oldest chain with this head. */
  take(head: number): Chain | undefined {
    const same = this.#byHead.get(head);
    const chain = same?.shift();
    if (chain === undefined) return undefined;
    if (same?.length === 0) this.#byHead.delete(head);
    this.#all.delete(chain);
    this.#segments -= segmentsOf(chain);
    return chain;
  }

  /** Removes and returns the oldest chain. */
  takeOldest(): Chain | undefined {
    const { oldest } = this;
    return oldest && this.take(oldest.head);
  }

  clear(): void {
    this.#byHead.clear();
    this.#all.clear();
    this.#segments = 0;
  }
}

function segmentsOf({ contents }: Chain): number {
  return contents?.replies.length ?? 0;
}

/** The bytes of a chain for its device type. */
export class SeenChain implements ChainBytes {
  readonly readable: number;
  readonly writable: number;
  readonly request: Uint8Array;
  readonly written: number | undefined;
  readonly #replies: readonly Segment[];
  readonly #view: GuestView;
  readonly #space: AddressSpace;

  constructor(
    contents: ChainContents,
    written: number | undefined,
    view: GuestView,
    space: AddressSpace,
  ) {
    this.readable = contents.readable;
    this.writable = contents.writable;
    this.request = contents.request;
    this.#replies = contents.replies;
    this.written = written;
    this.#view = view;
    this.#space = space;
  }

  reply(offset: number, length: number): Uint8Array {
    const target = new Uint8Array(length);
    let [skip, done] = [offset, 0];
    for (const { address, length: size } of this.#replies) {
      if (skip >= size) {
        skip -= size;
        continue;
      }
      const wanted = Math.min(size - skip, length - done);
      const count = this.#view.read(this.#space, address + skip, target, done, wanted);
      done += count;
      if (count < wanted || done === length) break;
      skip = 0;
    }
    return target.subarray(0, done);
  }
}
