/**
 * `vhost-user/testing`: what tests of front-ends and back-ends are made of.
 *
 * - wire: {@link Interceptor}, {@link Relay}, {@link Capture}, {@link RawFrontend},
 *   {@link RawBackend}, {@link RawSplitRing} and {@link RawPackedRing} see, change and break what
 *   passes
 * - trace: {@link Tracer} follows the sessions of a relay and hands out an event for each message
 * - faults: {@link applyFaults} breaks one rule of our back-end
 * - workloads: {@link verifyBlock}, {@link runBlockBench}, {@link runNetBench} and
 *   {@link migrateUnderLoad} drive a device and check or measure the result
 * - probe: {@link probe} reports role, device type and features of a program behind a socket
 */
export type { Channel, Frame, FrameHandler } from "../core/transport/index.ts";
export { connectSocket, UnixChannel } from "../core/transport/index.ts";
export {
  applyFaults,
  type Fault,
  type FaultParameter,
  faults,
  type FaultUse,
  parseFault,
} from "../lab/faults/index.ts";
export {
  type BlockBenchOptions,
  type BlockMigrationOptions,
  type BlockMigrationResult,
  type BlockVerifyOptions,
  type BlockWorkload,
  migrateUnderLoad,
  MismatchError,
  runBlockBench,
  verifyBlock,
  type VerifyCase,
  type VerifyProgress,
  type VerifyResult,
  firstRead,
} from "../lab/kits/block/workloads/index.ts";
export {
  type NetBenchOptions,
  type NetBenchResult,
  type NetTraffic,
  type NetWorkload,
  runNetBench,
} from "../lab/kits/net/workloads/index.ts";
export {
  inferDevice,
  type Probe,
  probe,
  type ProbeOptions,
  type ProbeResult,
  type ProbeTimings,
  type Role,
} from "../lab/probe/index.ts";
export {
  type ActionEvent,
  type Answered,
  type ChannelClosedEvent,
  type ClosedEvent,
  type DecoderOptions,
  describeEvent,
  type Ending,
  eventAsJson,
  type FeatureNames,
  type Json,
  type JsonObject,
  type JsonOptions,
  type MessageEvent,
  type MessageRecord,
  type OpenedEvent,
  type RegionOffset,
  type SessionEvent,
  SessionDecoder,
  SessionState,
  type TraceConsumer,
  type TraceDescriptor,
  type TracedRegion,
  type TracedRing,
  type TraceEvent,
  type TraceInterceptor,
  type TracePeer,
  Tracer,
  type TracerOptions,
  type TraceStyle,
  type Unanswered,
  type Violation,
  type WaitingEvent,
} from "../lab/trace/index.ts";
export {
  type ByteHooks,
  type BytesOptions,
  Capture,
  type CapturedMessage,
  type Chunk,
  type Forward,
  type Interception,
  Interceptor,
  type InterceptorOptions,
  type KernelObject,
  linked,
  messageBytes,
  type Next,
  parseCapture,
  type PartsOptions,
  RawBackend,
  type RawDescriptor,
  RawFrontend,
  RawPackedRing,
  type RawPeer,
  type RawPeerObserver,
  type RawPeerOptions,
  RawSplitRing,
  type Received,
  Relay,
  relayBytes,
  type RelayedMessage,
  type RelayedSession,
  type RelayEnd,
  type RelayHooks,
  type RelayOptions,
  type RelayPeers,
  type RelayPlace,
  type SendOptions,
  type TableBuffer,
  type UsedDescriptor,
  type UsedElement,
  writeIndirectTable,
} from "../lab/wire/index.ts";
export {
  CONNECTION_PHASES,
  type ConnectionPhase,
  type ConnectionTiming,
  type ConnectionTimingOptions,
  type FirstRequest,
  type CourseOptions,
  type LoadProgress,
  timeConnection,
} from "../lab/workloads/index.ts";
