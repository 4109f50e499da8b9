import { closeSync, openSync } from "node:fs";
import { UsageError } from "../../../../core/base/index.ts";
import {
  ComparedTrace,
  DEFAULT_MASKS,
  describeDiff,
  describeEvent,
  describeTotals,
  eventAsJson,
  type Mask,
  MASKS,
  parseFilter,
  type ReadEvent,
  type TraceConsumer,
  traceFooter,
  type TraceHeader,
  traceHeader,
  TraceSummary,
} from "../../../../lab/trace/index.ts";
import type { Context } from "../../context.ts";
import { ExitCode } from "../../exit-code.ts";
import { makeUserFile } from "../../files.ts";
import { parsedLate } from "../../options.ts";
import { LineWriter } from "../trace/line-writer.ts";
import { openCapture, type OpenCapture, warnOfEnd } from "./open.ts";
import { expectOtherFile } from "./other-file.ts";
import { CAPTURE_MODE, STDOUT } from "../trace/modes.ts";
import { traceStyle } from "../trace/outputs.ts";

interface DeviceOptions {
  /** Not parsed yet. */
  readonly device?: string | undefined;
}

interface JsonOptions extends DeviceOptions {
  readonly json?: true | undefined;
}

interface ShowOptions extends JsonOptions {
  readonly filter?: string | undefined;
}

interface FilterOptions {
  readonly out: string;
  readonly force?: true | undefined;
}

interface DiffOptions extends JsonOptions {
  readonly mask?: readonly string[] | undefined;
}

/** Prints the events of a capture. */
export async function showCapture(
  file: string,
  options: ShowOptions,
  context: Context,
): Promise<void> {
  const filter = parsedLate("--filter", options.filter, parseFilter);
  const capture = await openCapture(file, options.device, context);
  const style = traceStyle(context.output);
  const writer = new LineWriter(STDOUT);
  const lines = options.json
    ? ({ event }: ReadEvent) => [eventAsJson(event)]
    : ({ event }: ReadEvent) => describeEvent(event, style);
  const marks = options.json ? { filter: options.filter } : undefined;
  await copy(capture, writer, marks, (read) => (filter?.(read.event) === false ? [] : lines(read)));
  warnOfEnd(file, capture.reader, context);
}

/** Prints how much of everything a capture has. */
export async function statCapture(
  file: string,
  { device, json }: JsonOptions,
  context: Context,
): Promise<void> {
  const summary = new TraceSummary();
  const { reader } = await consume(file, device, summary, context);
  const { output } = context;
  if (json) {
    output.json({ schemaVersion: 1, kind: "capture-stat", ...reader.end, ...summary.totals });
  } else {
    for (const line of describeTotals(summary.totals)) output.print(line);
  }
  warnOfEnd(file, reader, context);
}

/** Writes the chosen events of a capture to another one. */
export async function filterCapture(
  file: string,
  expression: string,
  { out, force }: FilterOptions,
  context: Context,
): Promise<void> {
  const filter = parseFilter(expression);
  const capture = await openCapture(file, undefined, context);
  expectOtherFile(file, out);
  const fd = makeUserFile(out, force === true, (flag) => openSync(out, flag, CAPTURE_MODE));
  const writer = new LineWriter(fd);
  try {
    // What opens and closes a session says who is at its ends.
    await copy(capture, writer, { filter: expression }, ({ event }) =>
      event.type === "opened" || event.type === "closed" || filter(event)
        ? [eventAsJson(event, { decoded: false })]
        : [],
    );
  } finally {
    closeSync(fd);
  }
  warnOfEnd(file, capture.reader, context);
}

/** Compares two captures by meaning. */
export async function diffCaptures(
  before: string,
  after: string,
  { device, json, mask = [] }: DiffOptions,
  context: Context,
): Promise<void> {
  const masks = [...DEFAULT_MASKS, ...mask.map(maskOf)];
  const [first, second] = [new ComparedTrace(masks), new ComparedTrace(masks)];
  await consume(before, device, first, context);
  await consume(after, device, second, context);
  const sockets = first.compare(second);
  const { output } = context;
  if (json) {
    output.json({ schemaVersion: 1, kind: "capture-diff", before, after, masks, sockets });
  } else {
    output.print(`left out: ${masks.map((each) => MASKS[each].split(/;| \(/)[0]).join("; ")}`);
    for (const line of describeDiff(sockets)) output.print(line);
  }
  if (sockets.some(({ differences }) => differences > 0)) process.exitCode = ExitCode.Failed;
}

/**
 * Writes the lines of each event.
 *
 * @param marks what the first line says; with it there is a last one
 */
async function copy(
  { reader, events, signal }: OpenCapture,
  writer: LineWriter,
  marks: TraceHeader | undefined,
  lines: (read: ReadEvent) => readonly string[],
): Promise<void> {
  let [us, count, begun] = [0, 0, marks === undefined];
  for await (const read of events) {
    signal.throwIfAborted();
    if (!begun) writer.line(traceHeader({ ...marks, started: reader.end.started }));
    begun = true;
    ({ us } = read.event);
    for (const line of lines(read)) {
      count += 1;
      writer.line(line);
    }
    await writer.room();
    if (writer.failure !== undefined) break;
  }
  const { end, lost } = reader.end;
  if (marks !== undefined && end === "clean") writer.line(traceFooter({ us, events: count, lost }));
  await writer.flush();
  const { failure } = writer;
  if (failure !== undefined && failure.code !== "EPIPE") throw failure;
}

async function consume(
  file: string,
  device: string | undefined,
  consumer: TraceConsumer,
  context: Context,
): Promise<OpenCapture> {
  const capture = await openCapture(file, device, context);
  for await (const { event, state } of capture.events) {
    context.signal.throwIfAborted();
    consumer.event(event, state, []);
  }
  return capture;
}

function maskOf(name: string): Mask {
  const found = (Object.keys(MASKS) as Mask[]).find((each) => each === name);
  if (found !== undefined) return found;
  throw new UsageError(
    `--mask: "${name}" is not a mask; choose from ${Object.keys(MASKS).join(", ")}`,
  );
}
