import { HEADER_SIZE, type Header } from "../../core/protocol/index.ts";
import { frameBytes } from "../../core/transport/index.ts";
import { objectAsJson } from "../wire/index.ts";
import type { MessageEvent, SentMessage, TraceDescriptor, TraceEvent } from "./event.ts";
import type { TraceTotals } from "./summary.ts";

/** The options for the JSON line of a message. */
export interface JsonOptions {
  /** Includes values that are derived from the bytes: names, fields, violations. Default true. */
  readonly decoded?: boolean;
}

/** Version of the lines; a member that changes its meaning raises it. */
export const TRACE_SCHEMA_VERSION = 1;

/** The first line of a trace. */
export interface TraceHeader {
  /** Time of day, ISO 8601. */
  readonly started?: string | undefined;
  /** The filter of the events: all other events were left out, so some rules cannot be judged. */
  readonly filter?: string | undefined;
}

/** The first line of a trace. */
export function traceHeader({ started, filter }: TraceHeader): string {
  return JSON.stringify({ schemaVersion: 1, kind: "trace", started, filter });
}

/** The last line of a trace. */
export interface TraceFooter {
  /** Microseconds since the trace began. */
  readonly us: number;
  readonly events: number;
  /** Events that could not be written. */
  readonly lost: number;
  /** The counts of the trace. */
  readonly summary?: TraceTotals;
}

/** The last line of a trace that ended in order. */
export function traceFooter(footer: TraceFooter): string {
  return JSON.stringify({ event: "end", ...footer });
}

/**
 * An event as one line of JSON. Messages have the members of a capture, `us`, `from`, `channel`,
 * `descriptors` and `hex`, besides what is known of them.
 */
export function eventAsJson(event: TraceEvent, { decoded = true }: JsonOptions = {}): string {
  if (event.type === "action") {
    const { type, sent, ...rest } = event;
    return JSON.stringify({ event: type, ...rest, ...(sent && sentOf(sent)) });
  }
  if (event.type !== "message") {
    const { type, ...rest } = event;
    return JSON.stringify({ event: type, ...rest });
  }
  return JSON.stringify({ ...recordOf(event), ...(decoded && decodedOf(event)) });
}

function recordOf({
  us,
  session,
  number,
  from,
  channel,
  header,
  payload,
  descriptors,
}: MessageEvent) {
  return {
    event: "message",
    us,
    session,
    number,
    from,
    channel,
    descriptors: descriptors.map(({ object: { kind } }) => kind),
    ...(descriptors.length > 0 && { objects: descriptors.map(objectOf) }),
    hex: hexOf(header, payload),
  };
}

function sentOf({ header, payload, descriptors }: SentMessage) {
  return { sentDescriptors: descriptors, hex: hexOf(header, payload) };
}

function hexOf(header: Header, payload: Uint8Array): string {
  const bytes = frameBytes({ header, payload, fds: [] });
  return Buffer.from(bytes.buffer, 0, HEADER_SIZE + payload.length).toString("hex");
}

function decodedOf(event: MessageEvent) {
  const { request, isReply, ring, fields, text, features, answers, violations } = event;
  return {
    request,
    reply: isReply,
    ring,
    fields,
    text,
    added: features?.added,
    removed: features?.removed,
    answers,
    violations,
  };
}

function objectOf({ name, role, object }: TraceDescriptor) {
  return { name, role, ...objectAsJson(object) };
}
