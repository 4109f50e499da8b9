import { isRecord, recordOf, UsageError } from "../../core/base/index.ts";
import {
  decodeHeader,
  type Direction,
  HEADER_SIZE,
  type Header,
} from "../../core/protocol/index.ts";
import { type Frame, frameBytes } from "../../core/transport/index.ts";
import { type KernelObject, kernelObject } from "./kernel-object.ts";

const LARGEST_CLOCK = Number.MAX_SAFE_INTEGER;

/**
 * One message of a recorded session. A capture is a file of JSON Lines; the line of a message has these
 * members but `header` and `payload`, whose bytes are `hex`.
 */
export interface CapturedMessage {
  /** Microseconds since the start of the trace. */
  readonly us: number;
  /** Sessions of a trace are counted from 0. Default 0. */
  readonly session: number;
  /** Messages of a session are counted from 1. Absent in captures of other recorders. */
  readonly number: number | undefined;
  /** The side that sent it. */
  readonly from: Direction;
  /** The side whose requests the connection carries. Default `front-end`, the main socket. */
  readonly channel: Direction;
  /**
   * The kinds of the message's descriptors: `eventfd`, `socket`, `pipe`, `memfd`, `file`, or the
   * text of another recorder, for example a path.
   */
  readonly descriptors: readonly string[];
  /** The same with identity and size, as far as they were recorded. */
  readonly objects: readonly KernelObject[];
  /** Header and payload as they were on the wire. */
  readonly bytes: Uint8Array;
  readonly header: Header;
  readonly payload: Uint8Array;
}

/**
 * Reads the messages of a capture. Lines about anything else, which have a `kind` or an `event` other
 * than `message`, are left out, and so is a last line that was cut off.
 *
 * @param text a file of JSON Lines
 * @throws {UsageError} naming the line that is not a message
 *
 * @example
 * ```ts
 * for (const { from, header } of parseCapture(readFileSync("session.jsonl", "utf8"))) {
 *   console.log(from, header.request);
 * }
 * ```
 */
export function parseCapture(text: string): CapturedMessage[] {
  const lines = text.split("\n");
  return lines.flatMap((line, i) => {
    const isCut = i === lines.length - 1 && !isJson(line);
    if (line.trim() === "" || isCut) return [];
    const value = parseCaptureLine(line, i + 1);
    return isMessageLine(value) ? [capturedMessage(value, i + 1)] : [];
  });
}

/** A line of a capture that has not been checked yet. */
export type CaptureLine = Readonly<Record<string, unknown>>;

/** @throws {UsageError} the line is not a JSON object */
export function parseCaptureLine(line: string, number: number): CaptureLine {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw badLine(number, "must be JSON");
  }
  if (!isRecord(value) || Array.isArray(value)) throw badLine(number, "must be an object");
  return value;
}

/**
 * Returns whether a line is about a message; the lines of older captures are about nothing else.
 */
export function isMessageLine({ kind, event = "message" }: CaptureLine): boolean {
  return kind === undefined && event === "message";
}

/** @throws {UsageError} naming the line, and the member that is wrong */
export function capturedMessage(line: CaptureLine, number: number): CapturedMessage {
  const { from, channel = "front-end", hex } = line;
  if (!isDirection(from)) throw badLine(number, `"from" must be "front-end" or "back-end"`);
  if (!isDirection(channel)) throw badLine(number, `"channel" must be "front-end" or "back-end"`);
  if (typeof hex !== "string" || !/^([0-9a-f]{2})*$/i.test(hex)) {
    throw badLine(number, `"hex" must be an even number of hexadecimal digits`);
  }
  const bytes = Uint8Array.from(Buffer.from(hex, "hex"));
  if (bytes.length < HEADER_SIZE) {
    throw badLine(
      number,
      `"hex" must have at least the ${HEADER_SIZE} bytes of a header, not ${bytes.length}`,
    );
  }
  const objects = objectsOf(line, number);
  return {
    us: clockOf(line, number),
    session: sessionOf(line, number),
    number: countOf(line, number),
    from,
    channel,
    descriptors: objects.map(({ kind }) => kind),
    objects,
    bytes,
    header: decodeHeader(bytes),
    payload: bytes.subarray(HEADER_SIZE),
  };
}

/**
 * The time of a line.
 *
 * @throws {UsageError}
 */
export function clockOf({ us }: CaptureLine, number: number): number {
  if (typeof us === "number" && us >= 0 && us <= LARGEST_CLOCK) return us;
  throw badLine(number, `"us" must be a number of microseconds`);
}

/**
 * The session of a line.
 *
 * @throws {UsageError}
 */
export function sessionOf({ session = 0 }: CaptureLine, number: number): number {
  if (typeof session === "number" && Number.isInteger(session) && session >= 0) return session;
  throw badLine(number, `"session" must be a number from 0`);
}

function countOf({ number: count }: CaptureLine, number: number): number | undefined {
  if (count === undefined) return undefined;
  if (typeof count === "number" && Number.isSafeInteger(count) && count > 0) return count;
  throw badLine(number, `"number" must be a number from 1`);
}

/** The error for a line of a capture. */
export function badLine(number: number, what: string): UsageError {
  return new UsageError(`capture, line ${number}: ${what}`);
}

function objectsOf({ descriptors, objects = [] }: CaptureLine, number: number): KernelObject[] {
  if (!Array.isArray(descriptors) || !descriptors.every((kind) => typeof kind === "string")) {
    throw badLine(number, `"descriptors" must be a list of strings`);
  }
  if (!Array.isArray(objects)) throw badLine(number, `"objects" must be a list`);
  return descriptors.map((kind: string, i) => ({ kind, ...identityOf(objects[i]) }));
}

function identityOf(value: unknown): Omit<KernelObject, "kind"> {
  const { id, bytes, label } = recordOf(value);
  return {
    ...(typeof id === "string" && { id }),
    ...(typeof bytes === "number" && { bytes }),
    ...(typeof label === "string" && { name: label }),
  };
}

function isJson(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

function isDirection(value: unknown): value is Direction {
  return value === "front-end" || value === "back-end";
}

/**
 * Writes the lines of a capture as messages pass.
 *
 * @example
 * ```ts
 * import { readFileSync, appendFileSync, writeFileSync } from "node:fs";
 * import { Client } from "vhost-user";
 * import { Capture, parseCapture } from "vhost-user/testing";
 *
 * writeFileSync("session.jsonl", "");
 * const capture = new Capture((line) => appendFileSync("session.jsonl", line));
 * const client = await Client.connect("disk.sock", {
 *   observe: (way, frame) => capture.record(way === "sent" ? "front-end" : "back-end", frame),
 * });
 * await client.close();
 * console.log(parseCapture(readFileSync("session.jsonl", "utf8")).length);
 * ```
 */
export class Capture {
  readonly #write: (line: string) => void;
  readonly #start = performance.now();

  /** @param write takes one line, which ends with a newline */
  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  /** Records a message that passes now; its descriptors must be open. */
  record(from: Direction, frame: Frame, channel: Direction = "front-end"): void {
    const objects = frame.fds.map(({ fd }) => kernelObject(fd));
    const line = {
      us: Math.round((performance.now() - this.#start) * 1000),
      from,
      ...(channel === "back-end" ? { channel } : undefined),
      descriptors: objects.map(({ kind }) => kind),
      ...(objects.length > 0 && { objects: objects.map(objectAsJson) }),
      hex: Buffer.from(frameBytes(frame)).toString("hex"),
    };
    this.#write(`${JSON.stringify(line)}\n`);
  }
}

/** The identity of an object as a capture has it; its kind is among the descriptors. */
export function objectAsJson({ id, bytes, name }: KernelObject): CaptureLine {
  return { id, bytes, label: name };
}
