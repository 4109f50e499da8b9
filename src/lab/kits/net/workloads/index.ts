/** Measured loads for network devices. */
export * from "./bench.ts";
export * from "./names.ts";
