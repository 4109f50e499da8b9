/**
 * load: work for devices, verified and measured. Built on what users of the library have: the client
 * and the drivers.
 */
export * from "./block-migration.ts";
export * from "./block-pass.ts";
export * from "./block-verify.ts";
export * from "./connection-timing.ts";
export * from "./bench/block-bench.ts";
export * from "./bench/net-bench.ts";
export type { CourseOptions, LoadProgress } from "./bench/threads.ts";
export * from "./bench/workloads.ts";
