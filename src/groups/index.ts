/**
 * groups: the test groups of the command `test`. Built on the public API, with real programs from
 * peers and figures from load; told of through report.
 */
export { basicGroup } from "./basic/index.ts";
export * from "./engine.ts";
export { perfGroup } from "./perf/index.ts";
export { qemuGroup } from "./qemu/index.ts";
export { stressGroup } from "./stress/index.ts";
