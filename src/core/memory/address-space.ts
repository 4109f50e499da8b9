import type { SpanList } from "./span-list.ts";

/** The outcomes of an address look-up. */
export const Resolved = {
  Ok: 0,
  /** No region covers the range, or it has too many spans. */
  Fault: 1,
  /** The translation is not known yet; look it up again after the IOTLB was updated. */
  Miss: 2,
} as const;
export type Resolved = (typeof Resolved)[keyof typeof Resolved];

/**
 * Maps the addresses in descriptors (guest physical or IOVA) to memory of this process.
 *
 * An address comes as its two halves, as in a descriptor: these are small integers, while a number
 * above 2^31 may cost an allocation wherever it is handed on. Each half may be signed.
 */
export interface AddressSpace {
  /**
   * Appends the spans of `[address, address + length)` to `out`. Nothing is appended for a length
   * of zero. After a fault or miss `out` may hold a part of the spans.
   *
   * @param low bits 0 to 31 of the address
   * @param high bits 32 to 63
   *
   * @param write whether the device is going to write there
   */
  resolve(low: number, high: number, length: number, write: boolean, out: SpanList): Resolved;
  /** Changes whenever an earlier answer may no longer hold. */
  readonly generation: number;
  /**
   * True if a peer truncated a file that it had shared. The check is cheap: make it once per batch.
   */
  readonly broken: boolean;
}
