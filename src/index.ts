/**
 * vhost-user without a virtual machine: a client (front-end), a back-end framework, and devices.
 *
 * - {@link Client} and a driver such as {@link BlockDriver} do I/O on anybody's back-end;
 * - {@link BackendServer} and a device such as {@link BlockDevice} serve anybody's front-end;
 * - {@link probe} finds out who listens on a socket.
 *
 * Messages and their table are under `vhost-user/protocol`, rings under `vhost-user/virtqueue`.
 */
export * from "./base/errors.ts";
export type { WaitOptions } from "./base/abort.ts";
export * from "./backend/index.ts";
export * from "./devices/block/index.ts";
export * from "./devices/fs/index.ts";
export * from "./devices/crypto/index.ts";
export * from "./devices/net/index.ts";
export * from "./frontend/index.ts";
export * from "./load/index.ts";
export {
  GuestMemory,
  type GuestBuffer,
  type GuestMemoryOptions,
  type Region,
} from "./memory/index.ts";
export * from "./mutants/index.ts";
export * from "./probe/index.ts";
export type {
  Completion,
  RingMode,
  RingServer,
  RingServerModule,
  WorkerPart,
} from "./runtime/index.ts";
export type { Strictness } from "./session/index.ts";
export type { CloseReason, Frame, FrameObserver } from "./transport/index.ts";
