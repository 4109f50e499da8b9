/**
 * probe: who is behind a listening socket, and what does it offer? Plays front-end or back-end as
 * far as it takes to find out. Imports session, frontend's requests, and the layouts of devices.
 */
export type { Probe, ProbeOptions } from "./connection.ts";
export { probe } from "./probe.ts";
export type { ProbeHint, ProbeResult, ProbeTimings, Role } from "./result.ts";
export { expectDevice, otherDevice } from "./expect-device.ts";
export { inferByConfig } from "./infer-by-config.ts";
export { inferDevice } from "./infer-device.ts";
export {
  type FrontendMessage,
  identifiesDevice,
  inferFrontendDevice,
  otherFrontendDevice,
} from "./infer-front-end.ts";
