import { counted } from "../../../../core/base/index.ts";
import {
  type CaseResult,
  type ConformanceReport,
  type ConformanceTarget,
  conformanceText,
  conformanceTotals,
  createConformanceReport,
} from "../../../../lab/results/index.ts";
import type { CaseInfo, CheckInfo, EarlyStop } from "../../../../lab/conformance/index.ts";
import type { Context } from "../../context.ts";
import { ResultPrinter } from "../../result-printer.ts";
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
  /** The checks that a baseline may name. */
  readonly known: readonly CheckInfo[];
}

/** Holds results against the baseline, prints them as they arrive, and makes the report of the run. */
export class ConformanceReporter {
  readonly seed: number;
  readonly #around: Surroundings;
  readonly #count: number;
  readonly #startedAt = new Date();
  readonly #start = performance.now();
  readonly #results: CaseResult[] = [];
  readonly #expected: Expected;
  readonly #printer: ResultPrinter;
  #stopped: string | undefined;

  /**
   * @param checks how many there are
   * @throws {UsageError} the baseline is none
   */
  constructor(checks: number, around: Surroundings) {
    this.#around = around;
    this.#printer = new ResultPrinter(conformanceText, around.options, around.context);
    this.#expected = new Expected(around.options, around.recognised, around.known);
    this.#count = checks * around.options.repeat;
    this.seed = around.options.seed ?? Date.now() % 2 ** 32;
  }

  /** The reason why the run ended before all its checks were made, if it did. */
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
    this.#printer.failures(this.#results);
    this.#printer.say(conformanceTotals(report));
    const summary = this.#expected.summary();
    if (summary !== undefined) this.#printer.say(summary);
    if (!this.#around.context.signal.aborted) this.#expected.update();
    return report;
  }

  /** Measures a result against the baseline, and prints it. */
  readonly onResult = (result: CaseResult): void => {
    const measured = { ...this.#expected.measure(result), repeat: this.#repeatCommand(result.id) };
    this.#results.push(measured);
    this.#printer.result(measured);
  };

  /** Reports once why the remaining checks are skipped. */
  readonly onStop = ({ reason, left }: EarlyStop): void => {
    this.#stopped = reason;
    const results = left.map((result) => ({ ...result, repeat: this.#repeatCommand(result.id) }));
    this.#results.push(...results);
    this.#printer.say(`stopped: ${reason}; ${counted(left.length, "check")} not made`);
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
