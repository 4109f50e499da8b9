/**
 * `vhost-user/virtqueue`: virtqueues, for programs that serve or drive a device type of their own.
 * Experimental: the shapes may still change.
 *
 * - a device takes descriptor chains from a {@link RunningQueue}: {@link createChainCursor} makes the
 *   cursor that it reuses, {@link copyIn} and {@link copyOut} move bytes
 * - a driver submits requests through `Client.createQueue`; {@link RequestPipeline} makes promises
 *   of them
 * - {@link createDeviceQueue} and {@link createDriverQueue} work on any shared memory
 *
 * @experimental
 */
export type { AddressSpace, BufferSource, MemoryView, SpanList } from "../core/memory/index.ts";
export type {
  RingDriver,
  RingDriverHost,
  RingDriverModule,
  RingServer,
  RingServerModule,
  WorkerPart,
} from "../core/runtime/index.ts";
export {
  type BatchSource,
  type BatchSubmitter,
  canWrite,
  type ChainCompleter,
  type ChainCursor,
  type ChainPublisher,
  type ChainSource,
  type ChainSubmitter,
  type CompletionChecks,
  type CompletionSource,
  copyIn,
  copyOut,
  countInflight,
  createChainCursor,
  createDeviceQueue,
  createDriverQueue,
  DescriptorFlag,
  type DeviceQueue,
  type DeviceQueueOptions,
  type DriverQueue,
  type DriverQueueOptions,
  type DriverReports,
  type FaultControl,
  isPackedQueueSize,
  isSplitQueueSize,
  MAX_PACKED_SIZE,
  MAX_QUEUE_SIZE,
  type NotificationControl,
  packedRing,
  packedRingLayout,
  type PackedRingWords,
  type QueueFault,
  type RingFeatures,
  type RingInspection,
  type RingMemory,
  type RingParts,
  type RingPlacement,
  type RingRecovery,
  type RingWords,
  type ScheduledQueue,
  SegmentList,
  type ServedQueue,
  splitRing,
  splitRingLayout,
  SlotPool,
  type SplitRingWords,
  type StoppableQueue,
} from "../core/virtqueue/index.ts";
export {
  type PipelineRequest,
  RequestPipeline,
  type SlotHandler,
  type SlotQueue,
} from "../endpoints/frontend/index.ts";
