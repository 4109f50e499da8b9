/**
 * The errors of this package: one class per situation, so that a caller can decide by `instanceof`
 * or by `code`. A message says what is wrong, with the value, and what to do about it.
 */
export {
  ConnectError,
  NegotiationError,
  PeerClosedError,
  ProtocolError,
  type ProtocolErrorDetails,
  RemoteError,
  TimeoutError,
} from "./peer.ts";
export {
  DeviceError,
  MemoryAccessError,
  QueueError,
  type RingStall,
  StalledError,
} from "./ring.ts";
export { EnvironmentError, StateError, UsageError } from "./own-side.ts";
export { SystemError } from "./system.ts";
export { VhostUserError } from "./vhost-user-error.ts";
