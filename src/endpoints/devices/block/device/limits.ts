/** Most segments of a request that changes ranges, and most sectors of a segment. */
export interface RangeLimits {
  readonly ranges: number;
  readonly sectors: number;
}

/** 1 GiB in a segment: giving room back takes about the same time for any range. */
export const DISCARD_LIMITS: RangeLimits = { ranges: 16, sectors: 1 << 21 };
/** 4 MiB in a segment: where zeroes have to be written, other requests wait for them. */
export const ZERO_LIMITS: RangeLimits = { ranges: 16, sectors: 1 << 13 };
