import { recordOf, UsageError } from "../../core/base/index.ts";
import type { Direction } from "../../core/protocol/index.ts";
import type { DeviceKind } from "../../endpoints/devices/kind.ts";
import {
  badLine,
  capturedMessage,
  type CaptureLine,
  clockOf,
  isMessageLine,
  parseCaptureLine,
  sessionOf,
} from "../wire/index.ts";
import type { Ending, SentMessage, TraceEvent, TracePeer } from "./event.ts";
import { TRACE_SCHEMA_VERSION } from "./json.ts";
import { oneLine } from "./one-line.ts";
import { ringEventOf } from "./ring-reader.ts";
import { SessionDecoder } from "./session-decoder.ts";
import type { TracedSession } from "./traced-session.ts";

/** Sessions of one capture that are followed. */
const MAX_SESSIONS = 100_000;

/** An event of a capture, and what its session had set up after it. */
export interface ReadEvent {
  readonly event: TraceEvent;
  readonly state: TracedSession;
}

/** The end of a capture. */
export interface CaptureEnd {
  /**
   * `clean`: the recorder ended in order. `unmarked`: nothing says so, as in captures of other
   * recorders. `truncated`: the last line is cut off.
   */
  readonly end: "clean" | "unmarked" | "truncated";
  /** Events that the recorder could not write. */
  readonly lost: number;
  /** Time of day of its start, ISO 8601, where it was recorded. */
  readonly started: string | undefined;
}

/**
 * Decodes a capture, line by line, to the events that the live trace had.
 *
 * @example
 * ```ts
 * import { describeEvent, TraceReader } from "vhost-user/testing";
 *
 * const capture = '{"us":12,"from":"front-end","descriptors":[],"hex":"010000000100000000000000"}\n';
 * const reader = new TraceReader();
 * for (const { event } of reader.read(capture)) {
 *   console.log(describeEvent(event).join("\n"));
 * }
 * ```
 */
export class TraceReader {
  readonly #device: DeviceKind | undefined;
  readonly #untilUs: number;
  readonly #sessions = new Map<number, SessionDecoder>();
  #line = 0;
  #isPartial = false;
  #end: CaptureEnd = { end: "unmarked", lost: 0, started: undefined };

  /**
   * @param device names bits and configuration space. Default: inferred from the offer
   * @param untilUs leaves out later events, in microseconds, so that states are those of this moment
   */
  constructor(device?: DeviceKind, untilUs: number = Number.POSITIVE_INFINITY) {
    this.#device = device;
    this.#untilUs = untilUs;
  }

  /** The end of the capture, known after its last line. */
  get end(): CaptureEnd {
    return this.#end;
  }

  /**
   * Decodes a whole capture.
   *
   * @throws {UsageError} naming the line
   */
  *read(text: string): Generator<ReadEvent> {
    const lines = text.split("\n");
    const last = lines.pop() ?? "";
    for (const line of lines) yield* this.line(line);
    yield* this.lastLine(last);
  }

  /**
   * Decodes one whole line.
   *
   * @throws {UsageError} it is not one of a capture
   */
  *line(text: string): Generator<ReadEvent> {
    this.#line += 1;
    if (text.trim() === "") return;
    yield* this.#decode(parseCaptureLine(text, this.#line));
  }

  /** Decodes what follows the last newline: a line without one was cut off, and may still be whole. */
  *lastLine(text: string): Generator<ReadEvent> {
    if (text.trim() === "") return;
    let line: CaptureLine;
    try {
      line = parseCaptureLine(text, (this.#line += 1));
    } catch {
      this.#end = { ...this.#end, end: "truncated" };
      return;
    }
    yield* this.#decode(line);
  }

  *#decode(line: CaptureLine): Generator<ReadEvent> {
    const number = this.#line;
    if (line["kind"] !== undefined) return this.#header(line);
    if (line["event"] === "end") return this.#footer(line);
    const us = clockOf(line, number);
    if (us > this.#untilUs) return;
    const session = sessionOf(line, number);
    const decoder = line["event"] === "opened" ? this.#open(session, line) : this.#decoder(session);
    const event = isMessageLine(line)
      ? decoder.message(us, capturedMessage(line, number))
      : eventOf(decoder, us, line, number);
    if (event === undefined) return;
    if (event.type === "closed") this.#sessions.delete(session);
    yield { event, state: decoder.state };
  }

  #header({ kind, schemaVersion, started, filter }: CaptureLine): void {
    this.#isPartial ||= typeof filter === "string";
    if (kind !== "trace") throw badLine(this.#line, `"kind" must be "trace"`);
    if (typeof schemaVersion !== "number" || schemaVersion > TRACE_SCHEMA_VERSION) {
      throw new UsageError(
        `capture, line ${this.#line}: schemaVersion must be at most ${TRACE_SCHEMA_VERSION}, not ` +
          `${oneLine(String(schemaVersion))}; read it with a newer version of this package`,
      );
    }
    if (typeof started === "string") this.#end = { ...this.#end, started };
  }

  #footer({ lost }: CaptureLine): void {
    this.#end = { ...this.#end, end: "clean", lost: typeof lost === "number" ? lost : 0 };
  }

  #open(session: number, { frontEnd, backEnd }: CaptureLine): SessionDecoder {
    this.#sessions.delete(session);
    return this.#decoder(session, peerOf(frontEnd), peerOf(backEnd));
  }

  #decoder(session: number, frontEnd?: TracePeer, backEnd?: TracePeer): SessionDecoder {
    const known = this.#sessions.get(session);
    if (known !== undefined) return known;
    if (this.#sessions.size >= MAX_SESSIONS) {
      throw badLine(this.#line, `a capture must have at most ${MAX_SESSIONS} sessions`);
    }
    const [device, isPartial] = [this.#device, this.#isPartial];
    const decoder = new SessionDecoder({ session, frontEnd, backEnd, device, isPartial });
    this.#sessions.set(session, decoder);
    return decoder;
  }
}

/** An event other than a message; undefined if a newer recorder wrote it. */
function eventOf(
  decoder: SessionDecoder,
  us: number,
  line: CaptureLine,
  number: number,
): TraceEvent | undefined {
  switch (line["event"]) {
    case "opened":
      return decoder.opened(us);
    case "channel-closed":
      return decoder.channelClosed(us, endingOf(line));
    case "closed":
      return decoder.closed(us, endingOf(line));
    case "waiting":
      return decoder.waiting(us, numberOf(line, "number", number));
    case "action": {
      const action = String(line["action"]);
      const of = numberOf(line, "number", number);
      const about = { us, session: decoder.session, number: of };
      const { from, channel } = line;
      const sides = { from: sideOf(from), channel: sideOf(channel) };
      return { type: "action", ...about, ...sides, action, sent: sentOf(line, number) };
    }
    default:
      return ringEventOf(line, us, decoder.session, number);
  }
}

function numberOf(line: CaptureLine, name: string, number: number): number {
  const value = line[name];
  if (typeof value === "number" && Number.isInteger(value)) return value;
  throw badLine(number, `"${name}" must be a number`);
}

const HOW: readonly Ending["how"][] = ["closed", "crashed", "broken"];
const SIDES: readonly Direction[] = ["front-end", "back-end"];

function sideOf(value: unknown): Direction | undefined {
  return SIDES.find((each) => each === value);
}

function sentOf(line: CaptureLine, number: number): SentMessage | undefined {
  if (line["hex"] === undefined) return undefined;
  const { header, payload } = capturedMessage({ ...line, descriptors: [] }, number);
  return { header, payload, descriptors: numberOf(line, "sentDescriptors", number) };
}

function endingOf({ by, how, reason }: CaptureLine): Ending {
  return {
    by: sideOf(by),
    how: HOW.find((each) => each === how) ?? "closed",
    reason: typeof reason === "string" ? reason : "unknown",
  };
}

function peerOf(value: unknown): TracePeer {
  const { pid, program } = recordOf(value);
  return {
    ...(typeof pid === "number" && { pid }),
    ...(typeof program === "string" && { program }),
  };
}
