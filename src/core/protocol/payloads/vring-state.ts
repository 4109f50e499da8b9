import type { Codec } from "../codec.ts";
import { u32 } from "../fields.ts";
import { struct } from "../struct.ts";

/**
 * A ring and one number about it (specification: "A vring state description", and the two "vring
 * descriptor index" forms). `vring-base.ts` decodes `num` when it is the base of a packed ring.
 *
 * | offset | size | name  |
 * | ------ | ---- | ----- |
 * | 0      | 4    | index |
 * | 4      | 4    | num   |
 */
export interface VringState {
  readonly index: number;
  readonly num: number;
}

export const vringState: Codec<VringState> = struct<VringState>("vring state", 8, {
  index: u32(0),
  num: u32(4),
});
