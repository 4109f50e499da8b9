/** fio's words for what is done. */
export const BLOCK_WORKLOADS = ["read", "write", "randread", "randwrite", "mix"] as const;
export type BlockWorkload = (typeof BLOCK_WORKLOADS)[number];

/** testpmd's words, and both at once. */
export const NET_WORKLOADS = ["tx", "rx", "loop"] as const;
export type NetWorkload = (typeof NET_WORKLOADS)[number];
