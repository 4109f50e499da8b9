import type { SpanList } from "./span-list.ts";

/** Outcome of an address look-up. */
export const Resolved = {
  Ok: 0,
  /** No region covers the range, or it falls into too many pieces. */
  Fault: 1,
  /** The translation is not known yet; ask again after the IOTLB was updated. */
  Miss: 2,
} as const;
export type Resolved = (typeof Resolved)[keyof typeof Resolved];

/**
 * Addresses as they stand in descriptors, guest physical or IOVA, and the memory behind them.
 *
 * An address is a number: only addresses below 2^53 can be mapped, so a larger one (the high half of
 * the descriptor's 64 bits is 2^21 or more) is a fault before it gets here.
 */
export interface AddressSpace {
  /**
   * Appends the pieces of `[address, address + length)` to `out`. Nothing is appended for a length
   * of zero. After a fault or miss `out` may hold a part of the pieces.
   *
   * @param write whether the device is going to write there
   */
  resolve(address: number, length: number, write: boolean, out: SpanList): Resolved;
  /** Changes whenever an earlier answer may no longer hold. */
  readonly generation: number;
}
