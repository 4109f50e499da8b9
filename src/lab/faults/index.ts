/**
 * faults: back-ends with one broken rule each, made by wrapping a channel, a request's handler, a device
 * queue or a device. Production code has no fault switch; these plug into the hooks of
 * `src/endpoints/backend`. Every check of the test suite needs one that it catches.
 */
export { applyFaults } from "./apply.ts";
export type { ChannelFault, Fault, FaultParameter, FaultUse } from "./fault.ts";
export { faults } from "./list.ts";
export { parseFault } from "./parse.ts";
