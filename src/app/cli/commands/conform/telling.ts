import { counted } from "../../../../core/base/index.ts";
import {
  conformanceLines,
  type ConformanceReport,
  type ConformanceResult,
  type ConformanceTarget,
  conformanceTotals,
  type ConformanceVerdict,
  countVerdicts,
} from "../../../../lab/results/index.ts";
import type { CheckInfo, CheckResult, EarlyStop } from "../../../../lab/conformance/index.ts";
import type { Context } from "../../context.ts";
import { version } from "../../version.ts";
import { Expected } from "./baseline.ts";
import type { ConformOptions } from "./options.ts";
import type { ShippedBaseline } from "./shipped-baselines.ts";

const COLOURS: Readonly<Record<ConformanceVerdict, "green" | "red" | "yellow" | "cyan">> = {
  PASS: "green",
  FAIL: "red",
  WARN: "yellow",
  SKIP: "cyan",
  INFO: "cyan",
  ERROR: "red",
  XFAIL: "yellow",
  XPASS: "red",
};
/** With --quiet only these are told of. */
const TROUBLE: ReadonlySet<ConformanceVerdict> = new Set(["FAIL", "WARN", "ERROR", "XPASS"]);

interface Surroundings {
  readonly socket: string | undefined;
  readonly options: ConformOptions;
  readonly context: Context;
  /** The baseline of the target's program. */
  readonly recognised: ShippedBaseline | undefined;
}

/** Tells of a run while it goes on, and makes its report in the end. */
export class Telling {
  readonly seed: number;
  readonly #around: Surroundings;
  readonly #count: number;
  readonly #startedAt = new Date();
  readonly #start = performance.now();
  readonly #results: ConformanceResult[] = [];
  readonly #expected: Expected;
  #stopped: string | undefined;

  /** @param checks how many there are @throws {UsageError} the baseline is none */
  constructor(checks: number, around: Surroundings) {
    this.#around = around;
    this.#expected = new Expected(around.options, around.recognised);
    this.#count = checks * around.options.repeat;
    this.seed = around.options.seed ?? Date.now() % 2 ** 32;
  }

  /** For those who make the checks. */
  get callbacks() {
    return {
      onStart: (check: CheckInfo): void => this.#progress(check),
      onResult: (result: CheckResult): void => this.#result(result),
      onStop: (stop: EarlyStop): void => this.#stop(stop),
    };
  }

  /** Why the run ended before all its checks were made, if it did. */
  get stopped(): string | undefined {
    return this.#stopped;
  }

  /** The sum; also of a run that was interrupted. Writes the baseline that is asked for. */
  end(target: ConformanceTarget): ConformanceReport {
    const counts = countVerdicts(this.#results);
    this.#say(conformanceTotals(counts));
    const summary = this.#expected.summary();
    if (summary !== undefined) this.#say(summary);
    if (!this.#around.context.signal.aborted) this.#expected.update();
    return {
      schemaVersion: 1,
      kind: "conformance",
      tool: { name: "vhost-user", version: version() },
      startedAt: this.#startedAt.toISOString(),
      durationMs: Math.round(performance.now() - this.#start),
      target,
      seed: this.seed,
      counts,
      results: this.#results,
    };
  }

  #result(result: CheckResult): void {
    const { options, context } = this.#around;
    const told = { ...this.#expected.measure(result), repeat: this.#repeatCommand(result.id) };
    this.#results.push(told);
    if (options.quiet && !TROUBLE.has(told.verdict)) return;
    const mark = (verdict: ConformanceVerdict, text: string): string =>
      context.output.style(COLOURS[verdict], text);
    for (const line of conformanceLines(told, mark)) this.#say(line);
  }

  #stop({ reason, left }: EarlyStop): void {
    this.#stopped = reason;
    const results = left.map((result) => ({ ...result, repeat: this.#repeatCommand(result.id) }));
    this.#results.push(...results);
    this.#say(`stopped: ${reason}; ${counted(left.length, "check")} not made`);
  }

  #progress({ id }: CheckInfo): void {
    this.#around.context.output.progress(() => {
      const done = this.#results.length;
      const each = (performance.now() - this.#start) / Math.max(1, done);
      const left = Math.ceil((each * (this.#count - done)) / 1000);
      return `${done}/${this.#count}, about ${left} s left … ${id}`;
    });
  }

  /** With --json the document is the only thing on standard output. */
  #say(line: string): void {
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
      device === undefined ? "" : `--device ${device}`,
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
