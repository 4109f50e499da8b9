/**
 * backend: the framework for programs behind a vhost-user socket. Listens or connects, keeps the
 * state of sessions and rings, and hands rings to a {@link Device}. Imports session, virtqueue and
 * runtime; never frontend.
 */
export * from "./backend-requests.ts";
export * from "./capabilities.ts";
export * from "./device.ts";
export { type DeviceState, versionedState } from "./device-state.ts";
export {
  BACKEND_OPTIONAL_FEATURES,
  BACKEND_PROTOCOL_FEATURES,
  BACKEND_RING_FEATURES,
  protocolFeaturesOf,
} from "./offered-features.ts";
export { readOnlyConfig } from "./read-only-config.ts";
export * from "./server.ts";
export { BackendSession } from "./session.ts";
export type { BackendHooks } from "./session-options.ts";
export type { RingOptions } from "./vring-context.ts";
