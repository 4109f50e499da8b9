/**
 * frontend: the client. Brings a session up, shares memory, starts and stops queues. Imports
 * session, virtqueue and runtime; never backend.
 */
export type { BackendRequestHandlers } from "./backend-channel.ts";
export * from "./client.ts";
export type { ClientOptions } from "./client-options.ts";
export * from "./host-notifiers.ts";
export type { Notifications } from "./notifications.ts";
export * from "./shared-memory-regions.ts";
export * from "./shared-objects.ts";
export * from "./client-thread.ts";
export { addMemory, removeMemory } from "./memory-sharing.ts";
export type { ClientIommu, IommuOptions } from "./iommu.ts";
export type { MigrationOptions, MigrationReport } from "./migration/migrate.ts";
export { loadDeviceState, saveDeviceState } from "./migration/device-state.ts";
export * from "./queue.ts";
export type { ReconnectOptions, ReconnectReport } from "./reconnect.ts";
export {
  type PipelineRequest,
  RequestPipeline,
  type SlotHandler,
  type SlotQueue,
} from "./request-pipeline.ts";
export * from "./requests.ts";
