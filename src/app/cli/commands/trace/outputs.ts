import { closeSync, openSync } from "node:fs";
import { resolve } from "node:path";
import { counted, UsageError } from "../../../../core/base/index.ts";
import {
  describeEvent,
  describeTotals,
  type EventFilter,
  eventAsJson,
  type TraceConsumer,
  traceFooter,
  traceHeader,
  TraceSummary,
  type TraceStyle,
} from "../../../../lab/trace/index.ts";
import { makeUserFile } from "../../files.ts";
import type { Output } from "../../output.ts";
import { LineWriter } from "./line-writer.ts";
import { CAPTURE_MODE, STDOUT } from "./modes.ts";
import { PageOutput } from "./page-output.ts";
import { PcapngOutput } from "./pcapng-output.ts";

/** The outputs of a trace's events. */
export interface OutputOptions {
  readonly json?: true | undefined;
  readonly quiet?: true | undefined;
  /** As it was given, not parsed yet. */
  readonly filter?: string | undefined;
  /** Path of a capture. */
  readonly write?: string | undefined;
  /** Path of a pcapng file, or `-` for stdout. */
  readonly pcapng?: string | undefined;
  /** Path of a page. */
  readonly html?: string | undefined;
  readonly force?: true | undefined;
}

const STYLES = { time: "gray", request: "bold", violation: "red", note: "cyan" } as const;

/** The styles of a terminal; undefined where there are none, e.g. with NO_COLOR. */
export function traceStyle(output: Output): TraceStyle | undefined {
  if (output.style("red", "x") === "x") return undefined;
  return (part, text) => output.style(STYLES[part], text);
}

/** Further text at the end of a trace, for example about the end of its programs. */
export interface TraceEnding {
  readonly json: object;
  readonly lines: readonly string[];
}

/** Prints events, counts them, and writes them to a capture. */
export class TraceOutputs {
  readonly consumers: readonly TraceConsumer[];
  readonly #options: OutputOptions;
  readonly #printer = new LineWriter(STDOUT);
  readonly #summary = new TraceSummary();
  readonly #capture: { readonly fd: number; readonly writer: LineWriter } | undefined;
  readonly #pcapng: PcapngOutput | undefined;
  readonly #page: PageOutput | undefined;
  readonly #started = new Date().toISOString();
  readonly #output: Output;
  #events = 0;

  /**
   * @param printed filter of what is printed; the summary and the capture have everything
   * @throws {UsageError | EnvironmentError} the capture cannot be made
   */
  constructor(options: OutputOptions, printed: EventFilter | undefined, output: Output) {
    this.#options = options;
    this.#output = output;
    const { write, pcapng, html } = options;
    const force = options.force === true;
    if (pcapng === "-" && options.json) {
      throw new UsageError("--json and --pcapng - cannot be combined: both write to stdout");
    }
    expectDifferent({ "--write": write, "--pcapng": pcapng, "--html": html });
    if (write !== undefined) {
      const fd = makeUserFile(write, force, (flag) => openSync(write, flag, CAPTURE_MODE));
      this.#capture = { fd, writer: new LineWriter(fd) };
    }
    if (pcapng !== undefined) this.#pcapng = new PcapngOutput({ path: pcapng, force });
    if (html !== undefined) this.#page = new PageOutput(html, force);
    const [started, filter] = [this.#started, options.filter];
    if (options.json) this.#printer.line(traceHeader({ started, filter }));
    this.consumers = [
      this.#print(printed),
      this.#summary,
      ...this.#record(),
      ...(this.#pcapng ? [this.#pcapng.consumer] : []),
      ...(this.#page ? [this.#page.consumer] : []),
    ];
  }

  /** Writes the end of the trace, and waits until everything is written. */
  async close(us: number, { json, lines }: TraceEnding): Promise<void> {
    const { totals } = this.#summary;
    if (this.#options.json) {
      const { lost } = this.#printer;
      this.#printer.line(traceFooter({ us, events: this.#events, lost, summary: totals, ...json }));
    } else {
      const { lost } = this.#printer;
      if (lost > 0) {
        this.#printer.line(`lost for lack of a reader: ${counted(lost, "line")}`);
      }
      for (const line of [...describeTotals(totals), ...lines]) {
        if (this.#printsToStdout) this.#printer.line(line);
        else this.#output.note(line);
      }
    }
    await this.#printer.flush();
    await this.#closeCapture(us);
    await this.#closePcapng();
    this.#page?.close({ name: "live session", started: this.#started, notes: lines });
  }

  /** Text has no place on a stdout that is a pcapng file. */
  get #printsToStdout(): boolean {
    return this.#options.pcapng !== "-";
  }

  #print(filter: EventFilter | undefined): TraceConsumer {
    const { json, quiet } = this.#options;
    const isSilent = quiet || !this.#printsToStdout;
    const style = traceStyle(this.#output);
    return {
      event: (event) => {
        if (isSilent || filter?.(event) === false) return;
        this.#events += 1;
        if (json) return this.#printer.line(eventAsJson(event));
        for (const line of describeEvent(event, style)) this.#printer.line(line);
      },
    };
  }

  #record(): TraceConsumer[] {
    const writer = this.#capture?.writer;
    if (writer === undefined) return [];
    return [
      {
        event: (event) => {
          if (writer.count === 0) writer.line(headerBefore(event.us));
          writer.line(eventAsJson(event, { decoded: false }));
        },
      },
    ];
  }

  /** @throws the file could not be written */
  async #closePcapng(): Promise<void> {
    const lost = this.#pcapng?.lost ?? 0;
    if (lost > 0) this.#output.warn(`${counted(lost, "packet")} lost for lack of a reader`);
    await this.#pcapng?.close();
  }

  /** @throws the file could not be written */
  async #closeCapture(us: number): Promise<void> {
    if (this.#capture === undefined) return;
    const { fd, writer } = this.#capture;
    if (writer.count === 0) writer.line(headerBefore(us));
    writer.line(traceFooter({ us, events: writer.count, lost: writer.lost }));
    await writer.flush();
    closeSync(fd);
    if (writer.failure !== undefined) {
      const path = String(this.#options.write);
      throw Object.assign(writer.failure, {
        message: `${path} could not be written: ${writer.failure.message}`,
      });
    }
  }
}

/** The first line of a capture says when its clock was 0, which is not when the trace began to wait. */
function headerBefore(us: number): string {
  return traceHeader({ started: new Date(Date.now() - us / 1000).toISOString() });
}

/** @throws {UsageError} two options name one file */
function expectDifferent(paths: Readonly<Record<string, string | undefined>>): void {
  const seen = new Map<string, string>();
  for (const [option, path] of Object.entries(paths)) {
    if (path === undefined || path === "-") continue;
    const other = seen.get(resolve(path));
    if (other !== undefined) {
      throw new UsageError(
        `${other} and ${option} name the same file; choose another path for one`,
      );
    }
    seen.set(resolve(path), option);
  }
}
