/** The directions of testpmd; `loop` is both at once. */
export const NET_WORKLOADS = ["tx", "rx", "loop"] as const;
export type NetWorkload = (typeof NET_WORKLOADS)[number];
