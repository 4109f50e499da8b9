import { counted } from "../../../../core/base/index.ts";
import {
  type CaseResult,
  conformanceLines,
  type ConformanceReport,
  type ConformanceTarget,
  conformanceTotals,
  createConformanceReport,
  failureLines,
} from "../../../../lab/results/index.ts";
import type { CaseInfo, EarlyStop } from "../../../../lab/conformance/index.ts";
import type { Context } from "../../context.ts";
import { verdictStyle } from "../../verdict-style.ts";
import { version } from "../../version.ts";
import { Expected } from "./baseline.ts";
import type { ConformOptions } from "./options.ts";
import type { ShippedBaseline } from "./shipped-baselines.ts";

interface Surroundings {
  readonly socket: string | undefined;
  readonly options: ConformOptions;
  readonly context: Context;
  /** The baseline of the target's program. */
  readonly recognised: ShippedBaseline | undefined;
}

/** Prints results as they arrive, and makes the report of the run. */
export class ConformanceReporter {
  readonly seed: number;
  readonly #around: Surroundings;
  readonly #count: number;
  readonly #startedAt = new Date();
  readonly #start = performance.now();
  readonly #results: CaseResult[] = [];
  readonly #expected: Expected;
  /** Lists of features that were printed. */
  readonly #spelled = new Set<string>();
  #stopped: string | undefined;

  /**
   * @param checks how many there are
   * @throws {UsageError} the baseline is none
   */
  constructor(checks: number, around: Surroundings) {
    this.#around = around;
    this.#expected = new Expected(around.options, around.recognised);
    this.#count = checks * around.options.repeat;
    this.seed = around.options.seed ?? Date.now() % 2 ** 32;
  }

  /** Why the run ended before all its checks were made, if it did. */
  get stopped(): string | undefined {
    return this.#stopped;
  }

  /**
   * Prints the totals, also those of an interrupted run, and updates the baseline with
   * `--update-baseline`.
   */
  finish(target: ConformanceTarget): ConformanceReport {
    const report = createConformanceReport({
      version: version(),
      startedAt: this.#startedAt,
      durationMs: performance.now() - this.#start,
      target,
      seed: this.seed,
      results: this.#results,
    });
    const { options, context } = this.#around;
    const mark = verdictStyle(context.output);
    for (const line of failureLines(this.#results, options.failOn, mark)) this.#print(line);
    this.#say(conformanceTotals(report.counts));
    const summary = this.#expected.summary();
    if (summary !== undefined) this.#say(summary);
    if (!context.signal.aborted) this.#expected.update();
    return report;
  }

  /** Measures a result against the baseline, and prints it. */
  readonly onResult = (result: CaseResult): void => {
    const { options, context } = this.#around;
    const measured = { ...this.#expected.measure(result), repeat: this.#repeatCommand(result.id) };
    this.#results.push(measured);
    if (options.quiet) return;
    const mark = verdictStyle(context.output);
    const { verbose } = options;
    const lines = conformanceLines(measured, { mark, verbose, spelled: this.#spelled });
    for (const line of lines) this.#say(line);
  };

  /** Reports once why the remaining checks are skipped. */
  readonly onStop = ({ reason, left }: EarlyStop): void => {
    this.#stopped = reason;
    const results = left.map((result) => ({ ...result, repeat: this.#repeatCommand(result.id) }));
    this.#results.push(...results);
    this.#say(`stopped: ${reason}; ${counted(left.length, "check")} not made`);
  };

  /** Shows the progress of the run, on a terminal. */
  readonly onStart = ({ id }: CaseInfo): void => {
    this.#around.context.output.progress(() => {
      const done = this.#results.length;
      const each = (performance.now() - this.#start) / Math.max(1, done);
      const left = Math.ceil((each * (this.#count - done)) / 1000);
      return `${done}/${this.#count}, about ${left} s left … ${id}`;
    });
  };

  /** Prints a line that --quiet leaves out. */
  #say(line: string): void {
    if (!this.#around.options.quiet) this.#print(line);
  }

  /** Prints a line; with --json to standard error, as the document has standard output to itself. */
  #print(line: string): void {
    const { options, context } = this.#around;
    if (options.json) context.output.note(line);
    else context.output.print(line);
  }

  /** The command line that makes one check alone. */
  #repeatCommand(id: string): string {
    const { exec, shell, frontEnd, listen, device, timeoutFactor } = this.#around.options;
    const { socket } = this.#around;
    return [
      "vhost-user conform",
      frontEnd ? "--front-end" : "",
      listen ? "--listen" : "",
      socket === undefined ? `--exec ${quoted(exec ?? "")}` : quoted(socket),
      shell ? "--shell" : "",
      device === undefined
        ? ""
        : `--device ${typeof device === "string" ? quoted(device) : device.name}`,
      timeoutFactor === 1 ? "" : `--timeout-factor ${timeoutFactor}`,
      `--seed ${this.seed} --only ${id}`,
    ]
      .filter((part) => part !== "")
      .join(" ");
  }
}

function quoted(text: string): string {
  return /^[\w./:=,@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
