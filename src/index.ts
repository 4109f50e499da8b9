/**
 * `vhost-user`: a client (front-end) and a framework for back-ends, without a virtual machine.
 *
 * - {@link Client} connects to a back-end, shares {@link GuestMemory} with it and drives virtqueues
 * - {@link BackendServer} listens for front-ends and serves a {@link Device}
 * - {@link VhostUserError} is the base of the errors that both throw
 *
 * Device types are below `vhost-user/devices`, messages in `vhost-user/protocol`, rings in
 * `vhost-user/virtqueue`, tools of tests in `vhost-user/testing`, checks in `vhost-user/conformance`.
 */
export type { WaitOptions } from "./core/base/abort.ts";
export type { ErrorCode } from "./core/base/error-codes.ts";
export {
  ConnectError,
  DeviceError,
  EnvironmentError,
  MemoryAccessError,
  NegotiationError,
  PeerClosedError,
  ProtocolError,
  QueueError,
  RemoteError,
  StalledError,
  StateError,
  SystemError,
  TimeoutError,
  UsageError,
  VhostUserError,
} from "./core/base/errors/index.ts";
export { type GuestBuffer, GuestMemory, type GuestMemoryOptions } from "./core/memory/index.ts";
export { OwnedFd } from "./core/os/index.ts";
export type { RingMode, RunningQueue } from "./core/runtime/index.ts";
export type { CloseReason, FrameObserver } from "./core/transport/index.ts";
export {
  type BackendConnectOptions,
  type BackendHooks,
  type BackendListenOptions,
  type BackendOptions,
  type BackendRequests,
  BackendServer,
  type BackendSession,
  connectBackend,
  type Device,
  type DeviceCapabilities,
  type DeviceConfig,
  type DeviceSession,
  type DeviceState,
  type RingOptions,
  serveInherited,
  versionedState,
} from "./endpoints/backend/index.ts";
export type { DeviceKind } from "./endpoints/devices/kind.ts";
export { deviceKinds, findDeviceKind } from "./endpoints/devices/registry.ts";
export {
  type BackendRequestHandlers,
  Client,
  type ClientIommu,
  type ClientOptions,
  type ClientQueue,
  type ClientQueueOptions,
  ClientThread,
  type ClientThreadOptions,
  type FrontendRequests,
  type IommuOptions,
  type MigrationOptions,
  type MigrationReport,
  type Notifications,
  type QueueHandler,
  type ReconnectOptions,
  type ReconnectReport,
} from "./endpoints/frontend/index.ts";
