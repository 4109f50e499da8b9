/**
 * frontend: the client. Brings a session up, shares memory, starts and stops queues. Imports
 * session, virtqueue and runtime; never backend.
 */
export { CLIENT_PROTOCOL_FEATURES, CLIENT_RING_FEATURES, type Wishes } from "./bring-up.ts";
export type { BackendRequestHandler, BackendRequestHandlers } from "./backend-channel.ts";
export * from "./client.ts";
export type { ClientOptions } from "./client-options.ts";
export * from "./host-notifiers.ts";
export type { NotificationWay, Notifications } from "./notifications.ts";
export * from "./shared-memory-regions.ts";
export * from "./shared-objects.ts";
export * from "./client-thread.ts";
export { addMemory, type MemorySession, removeMemory } from "./memory-sharing.ts";
export type { ClientIommu, IommuCounters, IommuOptions } from "./iommu.ts";
export type { MigrationOptions, MigrationReport, MigrationRound } from "./migration/migrate.ts";
export { loadDeviceState, saveDeviceState } from "./migration/device-state.ts";
export * from "./queue.ts";
export type { ReconnectOptions, ReconnectReport, ReplayedQueue } from "./reconnect.ts";
export {
  type PipelineRequest,
  RequestPipeline,
  type SlotHandler,
  type SlotQueue,
} from "./request-pipeline.ts";
export * from "./requests.ts";
