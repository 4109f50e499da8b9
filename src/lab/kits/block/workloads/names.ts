/** fio's words for what is done; `mix` is `randrw` with 70 % reads. */
export const BLOCK_WORKLOADS = [
  "read",
  "write",
  "rw",
  "randread",
  "randwrite",
  "randrw",
  "mix",
] as const;
export type BlockWorkload = (typeof BLOCK_WORKLOADS)[number];

/** The share of reads in percent, unless another one is asked for; as in fio, but for `mix`. */
export const READ_PERCENT: Readonly<Record<BlockWorkload, number>> = {
  read: 100,
  write: 0,
  rw: 50,
  randread: 100,
  randwrite: 0,
  randrw: 50,
  mix: 70,
};

/** Returns whether a workload reads and writes. */
export function isMixed(workload: BlockWorkload): boolean {
  return READ_PERCENT[workload] % 100 !== 0;
}
