import type { Codec } from "../codec.ts";
import { u16, u64 } from "../fields.ts";
import { struct } from "../struct.ts";

/**
 * The area in which a back-end records its requests in flight (specification: "Inflight
 * description"). The text has 20 bytes; every implementation has the C structure's 24 and rejects
 * 20.
 *
 * | offset | size | name         |
 * | ------ | ---- | ------------ |
 * | 0      | 8    | mmapSize     |
 * | 8      | 8    | mmapOffset   |
 * | 16     | 2    | numQueues    |
 * | 18     | 2    | queueSize    |
 * | 20     | 4    | tail padding |
 */
export interface Inflight {
  /** Size of the area in bytes. Zero in a reply: this back-end tracks nothing. */
  readonly mmapSize: bigint;
  readonly mmapOffset: bigint;
  readonly numQueues: number;
  readonly queueSize: number;
}

export const inflight: Codec<Inflight> = struct<Inflight>(
  "inflight description",
  24,
  { mmapSize: u64(0), mmapOffset: u64(8), numQueues: u16(16), queueSize: u16(18) },
  [[20, 4]],
);
