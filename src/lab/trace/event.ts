import type { Direction, Header } from "../../core/protocol/index.ts";
import type { KernelObject } from "../wire/index.ts";
import type { Json, JsonObject, SessionEvent } from "./base-event.ts";
import type { RingEvent } from "./ring-event.ts";

export type { Json, JsonObject, SessionEvent };

/** A program at one end of a session. */
export interface TracePeer {
  readonly pid?: number | undefined;
  /** File name of the program, where it can be read. */
  readonly program?: string | undefined;
}

/** Both connections of a session exist. */
export interface OpenedEvent extends SessionEvent {
  readonly type: "opened";
  readonly frontEnd: TracePeer;
  readonly backEnd: TracePeer;
}

/** A rule of the specification that a message breaks. */
export interface Violation {
  /** The rule, with what was found instead. */
  readonly rule: string;
  /** Heading of the specification. */
  readonly section: string;
}

/** A descriptor that came with a message. */
export interface TraceDescriptor {
  /** The name of the object at its first appearance: `mem0`, `kick.0`, `call.0@2`. */
  readonly name: string;
  /** The role of the object in this message, if it differs from its name. */
  readonly role?: string | undefined;
  readonly object: KernelObject;
}

/** The request that a reply answers. */
export interface Answered {
  /** Number of the request's message in its session. */
  readonly to: number;
  /** Microseconds between the two. */
  readonly us: number;
}

/** The names of a feature word. */
export interface FeatureNames {
  readonly names: readonly string[];
  /**
   * The bits that are new since the previous such word of the session, or since the offer. Absent
   * if there was none.
   */
  readonly added?: readonly string[] | undefined;
  readonly removed?: readonly string[] | undefined;
}

/** A message passed. */
export interface MessageEvent extends SessionEvent {
  readonly type: "message";
  /** Messages of a session are counted from 1. */
  readonly number: number;
  /** The side that sent it. */
  readonly from: Direction;
  /** The side whose requests the connection carries: `front-end` is the main socket. */
  readonly channel: Direction;
  readonly header: Header;
  readonly payload: Uint8Array;
  /** Name in the specification, or `unknown front-end request 99`. */
  readonly request: string;
  /** True if the side that answers on this connection sent the message. */
  readonly isReply: boolean;
  readonly descriptors: readonly TraceDescriptor[];
  /** The payload's fields by name; undefined if it cannot be decoded. */
  readonly fields: JsonObject | undefined;
  /** The payload in words. */
  readonly text: string;
  readonly features?: FeatureNames | undefined;
  /** The ring that the message is about. */
  readonly ring?: number | undefined;
  readonly answers?: Answered | undefined;
  readonly violations: readonly Violation[];
}

/** A request that was not answered. */
export interface Unanswered {
  /** Number of its message. */
  readonly number: number;
  readonly request: string;
  /** The side that should have answered. */
  readonly by: Direction;
  /** Microseconds since it passed. */
  readonly waitedUs: number;
}

/** A reply is late. Once for each request. */
export interface WaitingEvent extends SessionEvent, Unanswered {
  readonly type: "waiting";
}

/** An interceptor did something to a message. */
export interface ActionEvent extends SessionEvent {
  readonly type: "action";
  /** Number of the message. */
  readonly number: number;
  /** The action, for example `dropped`. */
  readonly action: string;
  /** The side that sent the message; absent where the recorder did not say. */
  readonly from?: Direction | undefined;
  readonly channel?: Direction | undefined;
  /** The message that was sent on instead, or besides. */
  readonly sent?: SentMessage | undefined;
}

/** A message that an interceptor sent. */
export interface SentMessage {
  readonly header: Header;
  readonly payload: Uint8Array;
  /** Number of its descriptors. */
  readonly descriptors: number;
}

/** The reason why a connection ended. */
export interface Ending {
  /** The side that ended it; undefined if the trace ended. */
  readonly by?: Direction | undefined;
  /** `closed` in order, `crashed`: the process is gone or was killed, `broken`: it cannot be followed. */
  readonly how: "closed" | "crashed" | "broken";
  readonly reason: string;
}

/** The back-end channel ended; the session goes on. */
export interface ChannelClosedEvent extends SessionEvent, Ending {
  readonly type: "channel-closed";
}

/** The session ended. */
export interface ClosedEvent extends SessionEvent, Ending {
  readonly type: "closed";
  readonly messages: number;
  readonly unanswered: readonly Unanswered[];
}

/** An event of a session. */
export type TraceEvent =
  | OpenedEvent
  | MessageEvent
  | WaitingEvent
  | ActionEvent
  | ChannelClosedEvent
  | ClosedEvent
  | RingEvent;

/** The request without the prefix that all have: `GET_FEATURES`. */
export function shortName(request: string): string {
  return request.replace(/^VHOST_USER_/, "");
}
