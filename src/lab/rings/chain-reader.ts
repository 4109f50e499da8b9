import { DescriptorFlag } from "../../core/virtqueue/index.ts";
import { type ChainContents, REQUEST_BYTES, type Segment } from "./chain.ts";
import type { AddressSpace, GuestView } from "./guest-view.ts";

/** Descriptors of an indirect table that are read; behind that, a chain's further tables are not. */
const MAX_TABLE = 1024;
const DESCRIPTOR_BYTES = 16;

/** A descriptor: VIRTIO 2.7.5 and 2.8.1. */
export interface RingDescriptor {
  readonly address: number;
  readonly length: number;
  readonly flags: number;
  /** Split: index of the next one. Packed: the buffer id. */
  readonly third: number;
}

/** Returns the descriptor at an offset; those of split and packed rings have two members exchanged. */
export function descriptorAt(
  view: DataView,
  at: number,
  format: "split" | "packed",
): RingDescriptor {
  const [flags, third] = format === "split" ? [12, 14] : [14, 12];
  return {
    // An address above 2^53 is rounded, and is not in any region either way.
    address: view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32,
    length: view.getUint32(at + 8, true),
    flags: view.getUint16(at + flags, true),
    third: view.getUint16(at + third, true),
  };
}

/** Collects the buffers of a chain, and what breaks a rule in them. */
export class ChainReader {
  readonly #view: GuestView;
  readonly #space: AddressSpace;
  readonly #format: "split" | "packed";
  readonly #table = new Uint8Array(MAX_TABLE * DESCRIPTOR_BYTES);
  readonly #words = new DataView(this.#table.buffer);

  constructor(view: GuestView, space: AddressSpace, format: "split" | "packed") {
    this.#view = view;
    this.#space = space;
    this.#format = format;
  }

  /** Reads what a chain's descriptors, in order, describe. */
  read(descriptors: readonly RingDescriptor[], fault?: string): ChainContents {
    const all: RingDescriptor[] = [];
    let wrong = fault;
    for (const each of descriptors) {
      if ((each.flags & DescriptorFlag.Indirect) === 0) all.push(each);
      else if (all.length < MAX_TABLE) wrong = this.#indirect(each, all) ?? wrong;
      else wrong ??= `a chain with more than ${MAX_TABLE} descriptors in indirect tables`;
    }
    const requests: Segment[] = [];
    const replies: Segment[] = [];
    let [readable, writable] = [0, 0];
    for (const { address, length, flags } of all) {
      if ((flags & DescriptorFlag.Write) !== 0) {
        replies.push({ address, length });
        writable += length;
      } else {
        if (writable > 0) wrong ??= "a readable descriptor follows a writable one";
        requests.push({ address, length });
        readable += length;
      }
    }
    const request = this.#request(requests, readable);
    if (request.length < Math.min(readable, REQUEST_BYTES)) wrong ??= this.#view.problem;
    return { descriptors: all.length, readable, writable, replies, request, fault: wrong };
  }

  #request(segments: readonly Segment[], readable: number): Uint8Array {
    const request = new Uint8Array(Math.min(readable, REQUEST_BYTES));
    let done = 0;
    for (const { address, length } of segments) {
      const wanted = Math.min(length, request.length - done);
      const count = this.#view.read(this.#space, address, request, done, wanted);
      done += count;
      if (count < wanted || done === request.length) break;
    }
    return request.subarray(0, done);
  }

  /** Adds the descriptors of a table; returns the rule that it breaks. */
  #indirect({ address, length }: RingDescriptor, all: RingDescriptor[]): string | undefined {
    if (length === 0 || length % DESCRIPTOR_BYTES !== 0) {
      return `an indirect table must have a multiple of 16 bytes, not ${length}`;
    }
    const entries = Math.min(length / DESCRIPTOR_BYTES, MAX_TABLE);
    const bytes = entries * DESCRIPTOR_BYTES;
    if (this.#view.read(this.#space, address, this.#table, 0, bytes) < bytes) {
      return `indirect table: ${this.#view.problem}`;
    }
    let index = 0;
    for (let steps = 0; steps < entries; steps += 1) {
      const each = descriptorAt(this.#words, index * DESCRIPTOR_BYTES, this.#format);
      all.push(each);
      if (this.#format === "packed") {
        index += 1;
        continue;
      }
      if ((each.flags & DescriptorFlag.Next) === 0) return undefined;
      index = each.third;
      if (index >= entries) return `next ${index} is outside of an indirect table of ${entries}`;
    }
    return this.#format === "packed"
      ? undefined
      : "the descriptors of an indirect table form a loop";
  }
}
