/**
 * groups: the test groups of the command `test`. Built on the public API, with real programs from
 * peers and figures from load; reported through report.
 */
export { basicGroup } from "./basic/index.ts";
export type { GroupOptions } from "./context.ts";
export { runGroup } from "./group.ts";
export { perfGroup } from "./perf/index.ts";
export { qemuGroup } from "./qemu/index.ts";
export { diskBytes } from "./stress/fleet.ts";
export { ENOUGH_ROUNDS, type Growth, growthFaults, type Holdings } from "./stress/growth.ts";
export { stressGroup } from "./stress/index.ts";
export {
  runSoak,
  type SoakOptions,
  type SoakProgress,
  type SoakResult,
  type SoakTarget,
} from "./stress/soak.ts";
