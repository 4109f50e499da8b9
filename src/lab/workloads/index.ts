/**
 * load: work for devices, verified and measured. Built on what users of the library have: the client
 * and the drivers.
 */
export * from "./connection-timing.ts";
export type { CourseOptions, LoadProgress } from "./bench/threads.ts";
