/**
 * vhost-user without a virtual machine: a client (front-end), a back-end framework, and devices.
 *
 * - {@link Client} and a driver such as {@link BlockDriver} do I/O on anybody's back-end;
 * - {@link BackendServer} and a device such as {@link BlockDevice} serve anybody's front-end;
 *
 * Messages and their table are under `vhost-user/protocol`, rings under `vhost-user/virtqueue`,
 * what tests are made of under `vhost-user/testing`, the conformance suite under `vhost-user/conformance`.
 */
export * from "./core/base/errors.ts";
export type { WaitOptions } from "./core/base/abort.ts";
export * from "./endpoints/backend/index.ts";
export * from "./endpoints/devices/block/index.ts";
export * from "./endpoints/devices/fs/index.ts";
export * from "./endpoints/devices/crypto/index.ts";
export * from "./endpoints/devices/net/index.ts";
export type { DeviceClass, DeviceKind, DriverSide, QueueLayout } from "./endpoints/devices/kind.ts";
export * from "./endpoints/frontend/index.ts";
export {
  GuestMemory,
  type GuestBuffer,
  type GuestMemoryOptions,
  type Region,
} from "./core/memory/index.ts";
export type {
  RingMode,
  RingServer,
  RingServerModule,
  RunningQueue,
  WorkerPart,
} from "./core/runtime/index.ts";
export type { Strictness } from "./core/session/index.ts";
export type { CloseReason, Frame, FrameObserver } from "./core/transport/index.ts";
