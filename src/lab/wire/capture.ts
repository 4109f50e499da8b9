import { readlinkSync } from "node:fs";
import { UsageError } from "../../core/base/index.ts";
import {
  decodeHeader,
  type Direction,
  HEADER_SIZE,
  type Header,
} from "../../core/protocol/index.ts";
import { type Frame, frameBytes } from "../../core/transport/index.ts";

const LARGEST_CLOCK = Number.MAX_SAFE_INTEGER;

/**
 * One message of a recorded session. A capture is a file of JSON Lines, each of which has these
 * members but `header` and `payload`, whose bytes are `hex`.
 */
export interface CapturedMessage {
  /** Microseconds since the start of the session. */
  readonly us: number;
  /** The side that sent it. */
  readonly from: Direction;
  /** Whose requests the connection carries. Default `front-end`, the main socket. */
  readonly channel: Direction;
  /**
   * What the descriptors that came with the message refer to: `eventfd`, `socket`, `pipe`, `memfd`,
   * `file`, or what another recorder wrote, e.g. a path.
   */
  readonly descriptors: readonly string[];
  /** Header and payload as they were on the wire. */
  readonly bytes: Uint8Array;
  readonly header: Header;
  readonly payload: Uint8Array;
}

/**
 * Reads a capture.
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
  return text
    .split("\n")
    .map((line, i) => [line, i + 1] as const)
    .filter(([line]) => line.trim() !== "")
    .map(([line, number]) => parseLine(line, number));
}

function parseLine(line: string, number: number): CapturedMessage {
  const bad = (what: string): UsageError => new UsageError(`capture, line ${number}: ${what}`);
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw bad("not JSON");
  }
  if (typeof value !== "object" || value === null) throw bad("not an object");
  const { us, from, channel = "front-end", descriptors, hex } = value as Record<string, unknown>;
  if (typeof us !== "number" || !(us >= 0 && us <= LARGEST_CLOCK)) {
    throw bad(`"us" must be a number of microseconds`);
  }
  if (!isDirection(from)) throw bad(`"from" must be "front-end" or "back-end"`);
  if (!isDirection(channel)) throw bad(`"channel" must be "front-end" or "back-end"`);
  if (!Array.isArray(descriptors) || !descriptors.every((kind) => typeof kind === "string")) {
    throw bad(`"descriptors" must be a list of strings`);
  }
  if (typeof hex !== "string" || !/^([0-9a-f]{2})*$/i.test(hex)) {
    throw bad(`"hex" must be an even number of hexadecimal digits`);
  }
  const bytes = Uint8Array.from(Buffer.from(hex, "hex"));
  if (bytes.length < HEADER_SIZE) {
    throw bad(`"hex" has ${bytes.length} bytes, fewer than the header's ${HEADER_SIZE}`);
  }
  const [header, payload] = [decodeHeader(bytes), bytes.subarray(HEADER_SIZE)];
  return { us, from, channel, descriptors, bytes, header, payload };
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
    const line = {
      us: Math.round((performance.now() - this.#start) * 1000),
      from,
      ...(channel === "back-end" ? { channel } : undefined),
      descriptors: frame.fds.map(({ fd }) => descriptorKind(fd)),
      hex: Buffer.from(frameBytes(frame)).toString("hex"),
    };
    this.#write(`${JSON.stringify(line)}\n`);
  }
}

/** What a descriptor of this process refers to: one of the words of {@link CapturedMessage}. */
function descriptorKind(fd: number): string {
  const target = readlinkSync(`/proc/self/fd/${fd}`);
  if (target.startsWith("/memfd:")) return "memfd";
  const kind = /^(?:anon_inode:\[)?(eventfd|socket|pipe)\b/.exec(target)?.[1];
  return kind ?? "file";
}
