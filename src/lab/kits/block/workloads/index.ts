/** Verified and measured loads for block devices. */
export * from "./bench.ts";
export * from "./first-read.ts";
export * from "./migration.ts";
export * from "./names.ts";
export * from "./pass.ts";
export * from "./verify.ts";
