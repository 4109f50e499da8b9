/**
 * protocol: what vhost-user messages look like and mean. Pure: bytes in, values out, no I/O and no
 * state of a session. Imports base only; the transport, both roles, the test suite and reports
 * build on it.
 *
 * - `header.ts`, `codec.ts`, `payloads/`: bytes to values and back
 * - `requests.ts` with `table/`: every request with its number, payload, reply and conditions
 * - `due-reply.ts`: the reply that a request has to get
 * - `virtio-features.ts`, `protocol-features.ts`, `status.ts`: names for bits
 * - `config-layout.ts`, `fields.ts`: the fields of a configuration space
 * - `chain-layout.ts`: a descriptor chain in words, for observers
 * - `describe.ts`: any message as one line of text
 * - `inspect.ts`: what is wrong with a message
 */
export { MAX_PAYLOAD_SIZE, decodeLenient } from "./codec.ts";
export type { Codec, CodecValue } from "./codec.ts";
export * from "./chain-layout.ts";
export * from "./config-layout.ts";
export * from "./describe.ts";
export * from "./due-reply.ts";
export type { DeviceType, FeatureInfo, FeatureRow } from "./feature-table.ts";
export type { Field } from "./fields.ts";
export * from "./header.ts";
export * from "./inspect.ts";
export * from "./payloads/index.ts";
export * from "./protocol-features.ts";
export { replyCodecs } from "./reply-codecs.ts";
export * from "./requests.ts";
export * from "./status.ts";
export type {
  Bounds,
  FieldFault,
  ReplyRule,
  ReplySpec,
  RequestSpec,
  Requirement,
  SpecialReply,
} from "./table/spec.ts";
export * from "./virtio-features.ts";
