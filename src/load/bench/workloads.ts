/** fio's words for what is done. */
export const BLOCK_WORKLOADS = ["read", "write", "randread", "randwrite", "mix"] as const;
export type BlockWorkload = (typeof BLOCK_WORKLOADS)[number];
