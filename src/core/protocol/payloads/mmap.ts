import type { Codec } from "../codec.ts";
import { u64, u8 } from "../fields.ts";
import { struct } from "../struct.ts";

/**
 * A mapping inside a shared memory region of the device (specification: "MMAP request").
 *
 * | offset | size | name      |
 * | ------ | ---- | --------- |
 * | 0      | 1    | shmid     |
 * | 1      | 7    | padding   |
 * | 8      | 8    | fdOffset  |
 * | 16     | 8    | shmOffset |
 * | 24     | 8    | length    |
 * | 32     | 8    | flags     |
 */
export interface MMap {
  readonly shmid: number;
  readonly fdOffset: bigint;
  readonly shmOffset: bigint;
  readonly length: bigint;
  readonly flags: bigint;
}

/** Bits of {@link MMap.flags}. */
export const MMapFlag = { Writable: 1n } as const;

export const mmap: Codec<MMap> = struct<MMap>("mmap request", 40, {
  shmid: u8(0),
  fdOffset: u64(8),
  shmOffset: u64(16),
  length: u64(24),
  flags: u64(32),
});
