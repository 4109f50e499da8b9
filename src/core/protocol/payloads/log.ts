import type { Codec } from "../codec.ts";
import { u64 } from "../fields.ts";
import { struct } from "../struct.ts";

/**
 * The area for dirty logging (specification: "Log description").
 *
 * | offset | size | name       |
 * | ------ | ---- | ---------- |
 * | 0      | 8    | mmapSize   |
 * | 8      | 8    | mmapOffset |
 */
export interface Log {
  readonly mmapSize: bigint;
  /** Offset in the file of the bit for guest address 0. */
  readonly mmapOffset: bigint;
}

export const log: Codec<Log> = struct<Log>("log", 16, { mmapSize: u64(0), mmapOffset: u64(8) });
