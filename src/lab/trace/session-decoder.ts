import { type Direction, type Header, requestSpec } from "../../core/protocol/index.ts";
import type { DeviceKind } from "../../endpoints/devices/kind.ts";
import type { KernelObject } from "../wire/index.ts";
import type {
  ChannelClosedEvent,
  ClosedEvent,
  Ending,
  MessageEvent,
  OpenedEvent,
  TracePeer,
  Violation,
  WaitingEvent,
} from "./event.ts";
import { FeatureHistory } from "./feature-history.ts";
import { ObjectNames } from "./object-names.ts";
import { type Match, OutstandingRequests } from "./outstanding.ts";
import { decodePayload, describeDecoded } from "./payload.ts";
import { TracedSession } from "./traced-session.ts";
import { type Judged, ownViolations, replyViolations, requestViolations } from "./violations.ts";

/** A message on one of a session's connections. */
export interface MessageRecord {
  readonly from: Direction;
  readonly channel: Direction;
  readonly header: Header;
  readonly payload: Uint8Array;
  /** The kernel objects of the descriptors. */
  readonly objects: readonly KernelObject[];
  /** Number of the message in its session. Default: counted. */
  readonly number?: number | undefined;
}

/** The knowledge about a session before its first message. */
export interface DecoderOptions {
  readonly session: number;
  readonly frontEnd?: TracePeer | undefined;
  readonly backEnd?: TracePeer | undefined;
  /** Default: inferred from the offer. */
  readonly device?: DeviceKind | undefined;
  /** Messages are missing, so rules about the order of messages cannot be judged. Default false. */
  readonly isPartial?: boolean | undefined;
}

/**
 * Turns what passes in one session into events, live or from a capture.
 *
 * @example
 * ```ts
 * import { describeEvent, SessionDecoder } from "vhost-user/testing";
 *
 * const decoder = new SessionDecoder({ session: 0 });
 * const header = { request: 1, flags: 1, size: 0 };
 * const message = { from: "front-end", channel: "front-end", header } as const;
 * const event = decoder.message(12, { ...message, payload: new Uint8Array(), objects: [] });
 * console.log(describeEvent(event).join("\n")); // … GET_FEATURES
 * ```
 */
export class SessionDecoder {
  /** The state that the messages so far have set up. */
  readonly state: TracedSession;
  readonly session: number;
  readonly #frontEnd: TracePeer;
  readonly #backEnd: TracePeer;
  readonly #names = new ObjectNames();
  readonly #features = new FeatureHistory();
  readonly #outstanding: Readonly<Record<Direction, OutstandingRequests>> = {
    "front-end": new OutstandingRequests("back-end"),
    "back-end": new OutstandingRequests("front-end"),
  };
  readonly #isPartial: boolean;
  #messages = 0;

  constructor(options: DecoderOptions) {
    const { session, frontEnd = {}, backEnd = {}, device, isPartial = false } = options;
    this.#isPartial = isPartial;
    this.session = session;
    this.#frontEnd = frontEnd;
    this.#backEnd = backEnd;
    this.state = new TracedSession(device, backEnd.program);
  }

  /** Both connections exist. */
  opened(us: number): OpenedEvent {
    const { session } = this;
    return { type: "opened", us, session, frontEnd: this.#frontEnd, backEnd: this.#backEnd };
  }

  /** A message passed. */
  message(us: number, record: MessageRecord): MessageEvent {
    const { from, channel, header, payload } = record;
    const number = (this.#messages = record.number ?? this.#messages + 1);
    const isReply = from !== channel;
    const spec = requestSpec(channel, header.request);
    const name = spec?.name ?? `unknown ${channel} request ${header.request}`;
    const outstanding = this.#outstanding[channel];
    const match = isReply ? outstanding.take(header.request, us) : undefined;
    const decoded = spec && decodePayload(spec, match, payload, isReply);
    const ring = ringOf(decoded?.value);
    const descriptors = this.#names.name(channel, header.request, ring, record.objects);
    const count = descriptors.length;
    const judged = { channel, header, payload, descriptors: count, isReply, spec, name };
    const violations = this.#judge(judged, match);
    if (decoded !== undefined) {
      const { request } = header;
      this.state.apply({ channel, request, isReply, value: decoded.value, descriptors });
    }
    if (!isReply) {
      outstanding.add(spec, name, { number, us }, header, this.state.negotiation);
    }
    const { outside, ...words } = describeDecoded(judged, decoded, this.state, this.#features);
    return {
      type: "message",
      us,
      session: this.session,
      number,
      from,
      channel,
      header,
      payload,
      request: name,
      isReply,
      descriptors,
      ...words,
      violations: [...violations, ...outside],
      ring,
      answers: match?.answers,
    };
  }

  /** Replies that are late, each once. */
  late(us: number, limitUs: number): WaitingEvent[] {
    const { session } = this;
    return Object.values(this.#outstanding)
      .flatMap((requests) => requests.late(us, limitUs))
      .map((each) => ({ type: "waiting", us, session, ...each }));
  }

  /** A reply that a recorder found late; undefined if its request is not outstanding. */
  waiting(us: number, number: number): WaitingEvent | undefined {
    const found = Object.values(this.#outstanding)
      .flatMap((requests) => requests.unanswered(us))
      .find((each) => each.number === number);
    return found && { type: "waiting", us, session: this.session, ...found };
  }

  /** The back-end channel ended. */
  channelClosed(us: number, ending: Ending): ChannelClosedEvent {
    return { type: "channel-closed", us, session: this.session, ...ending };
  }

  /** The session ended. */
  closed(us: number, ending: Ending): ClosedEvent {
    const lists = this.#isPartial ? [] : Object.values(this.#outstanding);
    const unanswered = lists.flatMap((each) => each.unanswered(us));
    const { session } = this;
    return { type: "closed", us, session, ...ending, messages: this.#messages, unanswered };
  }

  #judge(judged: Judged, match: Match | undefined): Violation[] {
    if (this.#isPartial) return ownViolations(judged);
    const rules = match
      ? replyViolations(judged, match)
      : requestViolations(judged, this.state.negotiation);
    return [...ownViolations(judged), ...rules];
  }
}

function ringOf(value: unknown): number | undefined {
  if (typeof value !== "object" || value === null || !("index" in value)) return undefined;
  return typeof value.index === "number" ? value.index : undefined;
}
