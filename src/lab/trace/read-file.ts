import { createReadStream } from "node:fs";
import { systemCode, UsageError } from "../../core/base/index.ts";
import type { ReadEvent, TraceReader } from "./reader.ts";

/** Bytes of a line: more than a message of the largest payload has. */
const MAX_LINE = 16 << 20;
/** The first bytes of a pcapng file. */
const PCAPNG = "\n\r\r\n";

/**
 * Decodes a capture file without keeping it in memory.
 *
 * @throws {UsageError} a line is not one of a capture
 * @throws the file cannot be read
 */
export async function* readCapture(path: string, reader: TraceReader): AsyncGenerator<ReadEvent> {
  try {
    yield* readLines(path, reader);
  } catch (error) {
    if (systemCode(error) === "EISDIR") {
      throw new UsageError(`${path} is a folder; name the file that trace --write made`);
    }
    if (error instanceof UsageError) throw new UsageError(`${path}: ${error.message}`);
    throw error;
  }
}

async function* readLines(path: string, reader: TraceReader): AsyncGenerator<ReadEvent> {
  let rest = "";
  let isFirst = true;
  for await (const chunk of createReadStream(path, { encoding: "utf8" })) {
    if (isFirst && String(chunk).startsWith(PCAPNG)) {
      throw new UsageError(
        "it is a pcapng file, for Wireshark; name the capture that it came from",
      );
    }
    isFirst = false;
    const lines = (rest + String(chunk)).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > MAX_LINE) {
      throw new UsageError(`it is not a capture: a line has more than ${MAX_LINE} characters`);
    }
    for (const line of lines) yield* reader.line(line);
  }
  yield* reader.lastLine(rest);
}
