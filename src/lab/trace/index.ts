/**
 * trace: what a conversation means. {@link Tracer} follows the sessions of a relay and hands out a
 * {@link TraceEvent} for everything that happens; {@link TraceConsumer} prints, counts or writes it, and
 * {@link TraceInterceptor} changes what is sent on. `docs/decisions/trace-events.md` has the design.
 */
export type { TraceConsumer, TraceInterceptor } from "./consumer.ts";
export {
  type ActionEvent,
  type Answered,
  type ChannelClosedEvent,
  type ClosedEvent,
  type Ending,
  type FeatureNames,
  type Json,
  type JsonObject,
  type MessageEvent,
  type OpenedEvent,
  type SentMessage,
  type SessionEvent,
  shortName,
  type TraceDescriptor,
  type TraceEvent,
  type TracePeer,
  type Unanswered,
  type Violation,
  type WaitingEvent,
} from "./event.ts";
export {
  eventAsJson,
  type JsonOptions,
  type TraceHeader,
  traceFooter,
  traceHeader,
} from "./json.ts";
export {
  type ChainAvailableEvent,
  type ChainsMissedEvent,
  type ChainUsedEvent,
  isRingEvent,
  type RingEvent,
  type RingPlace,
  type RingSignalEvent,
  type RingStalledEvent,
  type RingViewEvent,
  type SignalKind,
  type TracedChain,
} from "./ring-event.ts";
export { describeHint, SessionHints, type TraceHint } from "./hints.ts";
export { type CaptureEnd, type ReadEvent, TraceReader } from "./reader.ts";
export { type DecoderOptions, type MessageRecord, SessionDecoder } from "./session-decoder.ts";
export {
  type RegionOffset,
  TracedSession,
  type TracedRegion,
  type TracedRing,
} from "./traced-session.ts";
export { describeEvent } from "./text.ts";
export { oneLine } from "./one-line.ts";
export type { TraceStyle } from "./style.ts";
export { Tracer, type TracerOptions } from "./tracer.ts";
export { filterHelp } from "./filter/help.ts";
export { parseFilter } from "./filter/parse.ts";
export type { EventFilter } from "./filter/terms.ts";
export { describeTotals, type RequestCount, TraceSummary, type TraceTotals } from "./summary.ts";
export type { RoundTrips } from "./durations.ts";
export type { RingCounts, SignalCounts } from "./ring-summary.ts";
export type { SignalFate } from "./ring-signal.ts";
export { type PassingSignal, RingSignals, type RingSignalsOptions } from "./ring-signals.ts";
export {
  type InspectedRegion,
  type InspectedRing,
  type InspectedSession,
  type NamedBits,
  StatePage,
} from "./state-page.ts";
export type { ChainsSeen, WaitingChain } from "./seen-chains.ts";
export { compareStates, describeStateChange, type StateChange } from "./state-diff.ts";
export { describeSession } from "./state-text.ts";
export { ComparedTrace, describeDiff } from "./diff/compare.ts";
export { DEFAULT_MASKS, type Mask, MASKS, meaningOf } from "./diff/exchange.ts";
export { readCapture } from "./read-file.ts";
export { type HeldDescriptors, ReceivedObjects } from "./held.ts";
