import type { Direction } from "../../core/protocol/index.ts";
import { HeaderFlag } from "../../core/protocol/index.ts";
import {
  type Ending,
  type MessageEvent,
  shortName,
  type TraceDescriptor,
  type TraceEvent,
  type TracePeer,
  type Unanswered,
} from "./event.ts";
import { oneLine } from "./one-line.ts";
import { isRingEvent, type RingEvent } from "./ring-event.ts";
import { describeRingEvent, milliseconds } from "./ring-text.ts";
import type { TraceStyle } from "./style.ts";

const plain: TraceStyle = (_, text) => text;
const TIME_WIDTH = 10;

/**
 * Describes an event in one line, and each rule that it breaks in a line below it: microseconds since the
 * start, session, direction, request, fields, descriptors, round-trip time.
 *
 * Arrows point from sender to receiver, with the front-end on the left: `->` and `<-` on the main
 * socket, `=>` and `<=` on the back-end channel. Text of the peers cannot drive a terminal.
 */
export function describeEvent(event: TraceEvent, style: TraceStyle = plain): string[] {
  const clean: TraceStyle = (part, text) => style(part, oneLine(text));
  const time = clean("time", String(event.us).padStart(TIME_WIDTH));
  const lines =
    event.type === "message"
      ? describeMessageEvent(event, clean)
      : isRingEvent(event)
        ? [describeRingEvent(event, clean)]
        : describeOther(event, clean);
  const [first = "", ...rest] = lines;
  const indent = " ".repeat(TIME_WIDTH);
  return [`${time} #${event.session} ${first}`, ...rest.map((line) => `${indent}    ${line}`)];
}

function describeMessageEvent(event: MessageEvent, style: TraceStyle): string[] {
  const { descriptors, text, answers, header, isReply } = event;
  const words = [
    arrow(event.from, event.channel),
    style("request", shortName(event.request)),
    isReply ? "reply" : "",
    (header.flags & HeaderFlag.NeedReply) === 0 ? "" : "need_reply",
    oneLine(text),
    ...descriptors.map((each) => oneLine(describeDescriptor(each))),
    answers === undefined ? "" : style("note", `(${answers.us} µs)`),
  ].filter((word) => word !== "");
  return [
    words.join(" "),
    ...event.violations.map(({ rule, section }) =>
      style("violation", `! ${rule} (specification: ${section})`),
    ),
  ];
}

type OtherEvent = Exclude<TraceEvent, MessageEvent | RingEvent>;

function describeOther(event: OtherEvent, style: TraceStyle): string[] {
  switch (event.type) {
    case "opened":
      return [
        style(
          "note",
          `-- opened: front-end ${peer(event.frontEnd)}, back-end ${peer(event.backEnd)}`,
        ),
      ];
    case "waiting":
      return [style("violation", `-- late: ${unanswered(event)}`)];
    case "action":
      return [style("note", `-- message ${event.number}: ${event.action}`)];
    case "channel-closed":
      return [ending("back-end channel", event, style)];
    case "closed":
      return [
        ending("session", event, style),
        ...event.unanswered.map((each) =>
          style("violation", `! never answered: ${unanswered(each)}`),
        ),
      ];
  }
}

function ending(what: string, { by, how, reason }: Ending, style: TraceStyle): string {
  const who = by === undefined ? "" : ` by the ${by}`;
  return style(how === "closed" ? "note" : "violation", `-- ${what} ${how}${who}: ${reason}`);
}

function unanswered({ number, request, by, waitedUs }: Unanswered): string {
  return `${by} has not answered message ${number}, ${shortName(request)}, for ${milliseconds(waitedUs)} ms`;
}

function arrow(from: Direction, channel: Direction): string {
  if (channel === "front-end") return from === "front-end" ? "->" : "<-";
  return from === "front-end" ? "=>" : "<=";
}

/** `mem0=memfd 512 MiB` */
function describeDescriptor({ name, role, object }: TraceDescriptor): string {
  const size = object.bytes === undefined ? "" : ` ${bytesInWords(object.bytes)}`;
  const as = role === undefined ? "" : ` as ${role}`;
  return `{${name}${as}: ${object.kind}${size}}`;
}

function bytesInWords(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let at = 0;
  while (value >= 1024 && value % 1024 === 0 && at < units.length - 1) {
    value /= 1024;
    at += 1;
  }
  return `${value} ${units[at]}`;
}

function peer({ pid, program }: TracePeer): string {
  if (pid === undefined) return "unknown";
  return program === undefined ? `pid ${pid}` : `pid ${pid} (${program})`;
}
