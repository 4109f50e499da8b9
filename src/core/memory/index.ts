/**
 * memory: the regions that front-end and back-end share, mapped here as windows, and the look-up of
 * guest, user and IOVA addresses in them. Imports protocol (types) and os.
 */
export * from "./address-space.ts";
export * from "./arena.ts";
export * from "./dirty-log.ts";
export * from "./guest-memory.ts";
export * from "./inflight-region.ts";
export * from "./iotlb.ts";
export * from "./region.ts";
export * from "./region-table.ts";
export * from "./share-hint.ts";
export * from "./span-list.ts";
export * from "./window.ts";
