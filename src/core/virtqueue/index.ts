/**
 * virtqueue: the rings, driver and device half. Experimental: the shapes may still change.
 *
 * Imports memory and os. Nothing in here waits, and nothing allocates per request.
 *
 * @experimental
 */
export { createChainCursor } from "./chain.ts";
export * from "./chain-copy.ts";
export * from "./create.ts";
export { DescriptorFlag } from "./descriptor.ts";
export { countInflight } from "./inflight/count.ts";
export * from "./device-roles.ts";
export * from "./driver-roles.ts";
export * from "./packed/device-queue.ts";
export * from "./packed/driver-queue.ts";
export * from "./packed/layout.ts";
export * from "./ring-words.ts";
export * from "./roles.ts";
export { RingLog, type RingLogSetting } from "./ring-log.ts";
export * from "./segment-list.ts";
export { SlotPool } from "./slot-pool.ts";
export * from "./split/device-queue.ts";
export * from "./split/driver-queue.ts";
export * from "./split/layout.ts";
export * from "./types.ts";
