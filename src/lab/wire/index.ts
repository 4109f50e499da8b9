/**
 * wire: see, change and break what passes between a front-end and a back-end.
 *
 * {@link Interceptor} wraps a channel, {@link Relay} connects two programs, {@link RawFrontend} and
 * {@link RawBackend} send anything, {@link RawSplitRing} and {@link RawPackedRing} write anything
 * into a ring.
 */
export { type ByteHooks, type Chunk, relayBytes } from "./byte-relay.ts";
export {
  badLine,
  Capture,
  type CapturedMessage,
  capturedMessage,
  type CaptureLine,
  clockOf,
  isMessageLine,
  objectAsJson,
  parseCapture,
  parseCaptureLine,
  sessionOf,
} from "./capture.ts";
export { EventRelay } from "./event-relay.ts";
export { type Interception, Interceptor, type InterceptorOptions } from "./interceptor.ts";
export { RawBackend } from "./raw-backend.ts";
export {
  linked,
  type RawDescriptor,
  type TableBuffer,
  writeIndirectTable,
} from "./raw-descriptor.ts";
export { RAW_PROTOCOL_FEATURES, RawFrontend } from "./raw-frontend.ts";
export { RawPackedRing, type UsedDescriptor } from "./raw-packed-ring.ts";
export {
  type BytesOptions,
  Flags,
  messageBytes,
  type Next,
  type PartsOptions,
  RawPeer,
  type RawPeerObserver,
  type RawPeerOptions,
  type Received,
  type SendOptions,
} from "./raw-peer.ts";
export { type KernelObject, kernelObject } from "./kernel-object.ts";
export { Relay, type RelayOptions, type RelayPeers, type RelayPlace } from "./relay.ts";
export {
  type Forward,
  type RelayEnd,
  type RelayedMessage,
  RelayedSession,
  type RelayHooks,
} from "./relayed-session.ts";
export { RawSplitRing, type UsedElement } from "./raw-split-ring.ts";
