/**
 * The base of a packed ring, as SET_VRING_BASE and GET_VRING_BASE carry it in `num`
 * (specification: "Vring descriptor indices for packed virtqueues"). A split ring's base is simply
 * the 16-bit free-running index of the next available entry.
 *
 * | bits  | name                  |
 * | ----- | --------------------- |
 * | 0-14  | available position    |
 * | 15    | available wrap counter |
 * | 16-30 | used position         |
 * | 31    | used wrap counter     |
 */
export interface PackedVringBase {
  readonly availPosition: number;
  readonly availWrap: boolean;
  readonly usedPosition: number;
  readonly usedWrap: boolean;
}

/** The base of an unused packed ring: positions 0, both wrap counters 1. */
export const FRESH_PACKED_BASE = 0x8000_8000;

export function decodePackedBase(num: number): PackedVringBase {
  return {
    availPosition: num & 0x7fff,
    availWrap: (num & 0x8000) !== 0,
    usedPosition: (num >>> 16) & 0x7fff,
    usedWrap: num >>> 31 === 1,
  };
}

/** @throws RangeError when a position needs more than 15 bits */
export function encodePackedBase(base: PackedVringBase): number {
  for (const position of [base.availPosition, base.usedPosition]) {
    if (!Number.isInteger(position) || position < 0 || position > 0x7fff) {
      throw new RangeError(`a packed ring position is within 0 and 32767, not ${position}`);
    }
  }
  const avail = base.availPosition | (base.availWrap ? 0x8000 : 0);
  const used = base.usedPosition | (base.usedWrap ? 0x8000 : 0);
  return ((used << 16) | avail) >>> 0;
}
