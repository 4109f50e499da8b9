import { closeSync, openSync } from "node:fs";
import { counted } from "../../../../core/base/index.ts";
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

/** The outputs of a trace's events. */
export interface OutputOptions {
  readonly json?: true | undefined;
  readonly quiet?: true | undefined;
  /** As it was given, not parsed yet. */
  readonly filter?: string | undefined;
  /** Path of a capture. */
  readonly write?: string | undefined;
  readonly force?: true | undefined;
}

export const STDOUT = 1;
/** Readable for its owner only: a capture has addresses of a guest's memory. */
export const CAPTURE_MODE = 0o600;
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
  #events = 0;

  /**
   * @param filter of what is printed; the summary and the capture have everything
   * @throws {UsageError | EnvironmentError} the capture cannot be made
   */
  constructor(options: OutputOptions, filter: EventFilter | undefined, output: Output) {
    this.#options = options;
    const { write } = options;
    if (write !== undefined) {
      const fd = makeUserFile(write, options.force === true, (flag) =>
        openSync(write, flag, CAPTURE_MODE),
      );
      this.#capture = { fd, writer: new LineWriter(fd) };
    }
    const started = new Date().toISOString();
    if (options.json) this.#printer.line(traceHeader({ started, filter: options.filter }));
    this.#capture?.writer.line(traceHeader({ started }));
    this.consumers = [this.#print(filter, output), this.#summary, ...this.#record()];
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
      for (const line of [...describeTotals(totals), ...lines]) this.#printer.line(line);
    }
    await this.#printer.flush();
    await this.#closeCapture(us);
  }

  #print(filter: EventFilter | undefined, output: Output): TraceConsumer {
    const { json, quiet } = this.#options;
    const style = traceStyle(output);
    return {
      event: (event) => {
        if (quiet || filter?.(event) === false) return;
        this.#events += 1;
        if (json) return this.#printer.line(eventAsJson(event));
        for (const line of describeEvent(event, style)) this.#printer.line(line);
      },
    };
  }

  #record(): TraceConsumer[] {
    const writer = this.#capture?.writer;
    if (writer === undefined) return [];
    return [{ event: (event) => writer.line(eventAsJson(event, { decoded: false })) }];
  }

  /** @throws the file could not be written */
  async #closeCapture(us: number): Promise<void> {
    if (this.#capture === undefined) return;
    const { fd, writer } = this.#capture;
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
