/**
 * runtime: runs rings, on the event loop or in a worker, woken by descriptors or by polling. The
 * only place that starts worker threads. Imports virtqueue and memory.
 */
export * from "./device-runner.ts";
export type { DriverRingPlace, RingLeft } from "./driver-messages.ts";
export * from "./driver-runner.ts";
export * from "./driver-worker.ts";
export * from "./mode.ts";
export * from "./ring-driver.ts";
export * from "./ring-server.ts";
export * from "./ring-worker.ts";
export type { RunningQueue } from "./running-queue.ts";
export type { RingEnd } from "./worker-messages.ts";
