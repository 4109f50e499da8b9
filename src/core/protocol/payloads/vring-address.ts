import type { Codec } from "../codec.ts";
import { u32, u64 } from "../fields.ts";
import { struct } from "../struct.ts";

/**
 * The addresses of the three parts of a ring (specification: "A vring address description"). Mind
 * the order: used comes before available. The addresses are user addresses, guest addresses with
 * GPA_ADDRESSES, or I/O virtual ones with ACCESS_PLATFORM. For a packed ring they are descriptor
 * ring, device event area (`used`), driver event area (`available`).
 *
 * | offset | size | name       |
 * | ------ | ---- | ---------- |
 * | 0      | 4    | index      |
 * | 4      | 4    | flags      |
 * | 8      | 8    | descriptor |
 * | 16     | 8    | used       |
 * | 24     | 8    | available  |
 * | 32     | 8    | log        |
 */
export interface VringAddress {
  readonly index: number;
  readonly flags: number;
  readonly descriptor: bigint;
  readonly used: bigint;
  readonly available: bigint;
  /** Guest address under which writes to the used ring are logged. */
  readonly log: bigint;
}

/** Bits of {@link VringAddress.flags}. */
export const VringAddressFlag = {
  /** Log writes to the used ring. */
  Log: 1,
} as const;

export const vringAddress: Codec<VringAddress> = struct<VringAddress>("vring address", 40, {
  index: u32(0),
  flags: u32(4, "hex"),
  descriptor: u64(8),
  used: u64(16),
  available: u64(24),
  log: u64(32),
});
