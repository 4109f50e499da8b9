import { closeNames } from "../../../core/base/index.ts";
import { backendRequests, frontendRequests } from "../../../core/protocol/index.ts";
import { type MessageEvent, shortName, type TraceEvent } from "../event.ts";
import { isRingEvent, type SignalKind } from "../ring-event.ts";

/** Decides about one event. */
export type EventFilter = (event: TraceEvent) => boolean;

/** One kind of word in a filter. */
export interface Term {
  /** The syntax of the term. */
  readonly form: string;
  readonly text: string;
  /**
   * Makes its filter; undefined if the word is not of this kind.
   *
   * @throws {Error} its value is wrong
   */
  parse(word: string): EventFilter | undefined;
}

const SIDES = ["front-end", "back-end"] as const;

/** The words that a filter may have, in the order in which they are tried. */
export const terms: readonly Term[] = [
  {
    form: "session=N, session=N..M",
    text: "events of these sessions",
    parse: (word) => ranged("session", word, ({ session }) => session),
  },
  {
    form: "ring=N, ring=N..M",
    text: "messages about these rings, and their chains",
    parse: (word) => ranged("ring", word, ringOf),
  },
  {
    form: "from=front-end, from=back-end",
    text: "messages that this side sent",
    parse: (word) => sided("from", word, (event) => messageOf(event)?.from),
  },
  {
    form: "channel=front-end, channel=back-end",
    text: "messages of the main socket, or of the back-end channel",
    parse: (word) => sided("channel", word, (event) => messageOf(event)?.channel),
  },
  {
    form: "slower=DURATION",
    text: "replies and chains that took longer, e.g. slower=10ms, and those that are missing for longer",
    parse: slower,
  },
  { form: "request", text: "requests", parse: (word) => kind(word, "request", isRequest) },
  { form: "reply", text: "replies", parse: (word) => kind(word, "reply", isReply) },
  {
    form: "descriptors",
    text: "messages that carry descriptors",
    parse: (word) => kind(word, "descriptors", hasDescriptors),
  },
  { form: "message", text: "messages", parse: (word) => kind(word, "message", isMessage) },
  {
    form: "rings",
    text: "what --rings sees: chains, those that were missed, stalls, kicks and calls",
    parse: (word) => kind(word, "rings", isRingEvent),
  },
  {
    form: "available",
    text: "chains made available",
    parse: (word) => kind(word, "available", isAvailable),
  },
  { form: "used", text: "chains used", parse: (word) => kind(word, "used", isUsed) },
  {
    form: "kick",
    text: "kicks, which --rings=exact sees",
    parse: (word) => kind(word, "kick", signalled("kick")),
  },
  {
    form: "call",
    text: "calls, which --rings=exact sees",
    parse: (word) => kind(word, "call", signalled("call")),
  },
  {
    form: "error",
    text: "broken rules, failed requests, late replies, stalled rings, crashes",
    parse: (word) => kind(word, "error", isError),
  },
  {
    form: "action",
    text: "what --inject did",
    parse: (word) => kind(word, "action", isAction),
  },
  {
    form: "NAME",
    text: "a request, without VHOST_USER_; * is any text, ? any letter: SET_VRING_*",
    parse: named,
  },
];

function messageOf(event: TraceEvent): MessageEvent | undefined {
  return event.type === "message" ? event : undefined;
}

function ringOf(event: TraceEvent): number | undefined {
  return "ring" in event ? event.ring : undefined;
}

function kind(word: string, name: string, filter: EventFilter): EventFilter | undefined {
  return word === name ? filter : undefined;
}

const isMessage: EventFilter = ({ type }) => type === "message";
const isAvailable: EventFilter = ({ type }) => type === "chain-available";
const isUsed: EventFilter = ({ type }) => type === "chain-used";
const isRequest: EventFilter = (event) => messageOf(event)?.isReply === false;
const isReply: EventFilter = (event) => messageOf(event)?.isReply === true;
const hasDescriptors: EventFilter = (event) => (messageOf(event)?.descriptors.length ?? 0) > 0;

const isAction: EventFilter = (event) =>
  event.type === "action" || (event.type === "ring-signal" && event.action !== undefined);

function signalled(signal: SignalKind): EventFilter {
  return (event) => event.type === "ring-signal" && event.signal === signal;
}

/** Something is wrong with an event. */
export const isError: EventFilter = (event) => {
  switch (event.type) {
    case "message":
      return event.violations.length > 0 || hasFailed(event);
    case "closed":
      return event.how !== "closed" || event.unanswered.length > 0;
    case "channel-closed":
      return event.how !== "closed";
    case "waiting":
    case "ring-stalled":
      return true;
    case "chain-available":
    case "chain-used":
      return event.failed;
    case "opened":
    case "action":
    case "chains-missed":
    case "ring-view":
    case "ring-signal":
      return false;
  }
};

function hasFailed({ isReply: reply, fields }: MessageEvent): boolean {
  if (!reply || fields === undefined) return false;
  const { error, ok, refused } = fields;
  return ok === false || refused === true || (error !== undefined && error !== "0");
}

function ranged(
  name: string,
  word: string,
  valueOf: (event: TraceEvent) => number | undefined,
): EventFilter | undefined {
  if (!word.startsWith(`${name}=`)) return undefined;
  const range = /^=(\d+)(?:\.\.(\d+))?$/.exec(word.slice(name.length));
  if (range === null) throw new Error(`${name} must be a number or a range such as 0..3`);
  const first = Number(range[1]);
  const last = range[2] === undefined ? first : Number(range[2]);
  if (last < first)
    throw new Error(`${name}=${first}..${last} is empty: the first number is larger`);
  return (event) => {
    const value = valueOf(event);
    return value !== undefined && value >= first && value <= last;
  };
}

function sided(
  name: string,
  word: string,
  sideOf: (event: TraceEvent) => string | undefined,
): EventFilter | undefined {
  if (!word.startsWith(`${name}=`)) return undefined;
  const side = SIDES.find((each) => word === `${name}=${each}`);
  if (side === undefined) throw new Error(`${name} must be front-end or back-end`);
  return (event) => sideOf(event) === side;
}

const UNITS: Readonly<Record<string, number>> = { us: 1, µs: 1, ms: 1000, s: 1_000_000 };

function slower(word: string): EventFilter | undefined {
  if (!word.startsWith("slower=")) return undefined;
  const [, number, unit = ""] = /^slower=(\d+(?:\.\d+)?)(us|µs|ms|s)$/.exec(word) ?? [];
  const factor = UNITS[unit];
  if (factor === undefined) throw new Error("slower must be a duration such as 10ms, 500us or 1s");
  const limit = Number(number) * factor;
  return (event) => {
    if (event.type === "waiting" || event.type === "ring-stalled") return event.waitedUs > limit;
    if (event.type === "chain-used") return event.latencyUs > limit;
    return (messageOf(event)?.answers?.us ?? 0) > limit;
  };
}

const REQUESTS: readonly string[] = [
  ...Object.values(frontendRequests),
  ...Object.values(backendRequests),
].map(({ name }) => shortName(name));

function named(word: string): EventFilter | undefined {
  if (!/^[\w*?]+$/.test(word)) return undefined;
  const pattern = shortName(word.toUpperCase()).replaceAll("*", ".*").replaceAll("?", ".");
  const matches = new RegExp(`^${pattern}$`);
  if (!REQUESTS.some((name) => matches.test(name))) {
    const near = closeNames(word.toUpperCase(), REQUESTS).join(", ");
    const remedy =
      near === "" ? "--help-filter lists what a filter may have" : `close ones: ${near}`;
    throw new Error(`no request is called ${word}; ${remedy}`);
  }
  return (event) => "request" in event && matches.test(shortName(event.request));
}
