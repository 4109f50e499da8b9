import { createReadStream } from "node:fs";
import { UsageError } from "../../core/base/index.ts";
import type { ReadEvent, TraceReader } from "./reader.ts";

/** Bytes of a line: more than a message of the largest payload has. */
const MAX_LINE = 16 << 20;

/**
 * Decodes a capture file without keeping it in memory.
 *
 * @throws {UsageError} a line is not one of a capture
 * @throws the file cannot be read
 */
export async function* readCapture(path: string, reader: TraceReader): AsyncGenerator<ReadEvent> {
  let rest = "";
  for await (const chunk of createReadStream(path, { encoding: "utf8" })) {
    const lines = (rest + String(chunk)).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > MAX_LINE) {
      throw new UsageError(`${path} is not a capture: a line has more than ${MAX_LINE} characters`);
    }
    for (const line of lines) yield* reader.line(line);
  }
  yield* reader.lastLine(rest);
}
