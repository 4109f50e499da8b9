import type { InflightArea } from "../../memory/index.ts";
import { WRAP } from "../packed/layout.ts";

const HEADER_BYTES = 32;
const ENTRY_BYTES = 32;

/** Positions of the header's half words and of its two bytes. */
export const FREE_HEAD = 6;
export const OLD_FREE_HEAD = 7;
export const USED_IDX = 8;
export const OLD_USED_IDX = 9;
export const USED_WRAP = 20;
export const OLD_USED_WRAP = 21;

/** Half words of an entry. */
export const Entry = { Next: 1, Last: 2, Num: 3, Id: 8, Flags: 9 } as const;

/**
 * The words of one packed ring's part of the in-flight region ("Inflight I/O tracking", packed
 * virtqueue), with private copies of the lists in it.
 *
 * | part | contents |
 * | --- | --- |
 * | header | 0:8 features, 8:2 version, 10:2 desc_num, 12:2 free_head, 14:2 old_free_head, 16:2 used_idx, 18:2 old_used_idx, 20:1 used_wrap_counter, 21:1 old_used_wrap_counter, 22:7 padding |
 * | entry i, at 32 + 32i | 0:1 inflight, 1:1 padding, 2:2 next, 4:2 last, 6:2 num, 8:8 counter, 16:2 id, 18:2 flags, 20:4 len, 24:8 addr |
 */
export class PackedRegion {
  readonly entries: number;
  readonly bytes: Uint8Array;
  readonly halves: Uint16Array;
  readonly words: Uint32Array;
  /** By entry: the one behind it in the free list or in its chain. */
  readonly next: Uint16Array;
  /** By first entry of a chain: its last entry. */
  readonly last: Uint16Array;

  constructor({ view, entries }: InflightArea) {
    const { buffer } = view.window.bytes;
    this.entries = entries;
    this.bytes = new Uint8Array(buffer, view.offset, HEADER_BYTES + ENTRY_BYTES * entries);
    this.halves = new Uint16Array(buffer, view.offset, this.bytes.length / 2);
    this.words = new Uint32Array(buffer, view.offset, this.bytes.length / 4);
    this.next = new Uint16Array(entries);
    this.last = new Uint16Array(entries);
  }

  /** Puts an unused region into its initial state: every entry is free. */
  prepare(used: { readonly index: number; readonly wrap: boolean }): void {
    this.bytes.fill(0);
    for (let entry = 0; entry < this.entries; entry += 1) {
      this.next[entry] = entry + 1;
      this.halves[halfOf(entry, Entry.Next)] = entry + 1;
    }
    this.halves[USED_IDX] = used.index;
    this.halves[OLD_USED_IDX] = used.index;
    this.bytes[USED_WRAP] = used.wrap ? 1 : 0;
    this.bytes[OLD_USED_WRAP] = used.wrap ? 1 : 0;
  }

  /** A position in the ring and its wrap counter, in the form of a base. */
  position(index: number, wrap: number): number {
    return (this.halves[index] ?? 0) | (this.bytes[wrap] === 0 ? 0 : WRAP);
  }
}

/** Byte of an entry's in-flight mark. */
export function byteOf(entry: number): number {
  return HEADER_BYTES + ENTRY_BYTES * entry;
}

export function halfOf(entry: number, field: number): number {
  return byteOf(entry) / 2 + field;
}

export function wordOf(entry: number, field: number): number {
  return byteOf(entry) / 4 + field;
}
