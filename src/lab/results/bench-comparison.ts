import type { BenchReport } from "./bench-model.ts";
import { rateOf } from "./bench-text.ts";
import { median, quartiles } from "./statistics.ts";

/** Several targets that were measured in alternation, as JSON has it. */
export interface BenchComparison extends Pick<
  BenchReport,
  "bench" | "options" | "partial" | "endedBy" | "environment" | "warnings"
> {
  readonly schemaVersion: 1;
  readonly kind: "bench-comparison";
  /** Planned runs of each target. */
  readonly runs: number;
  /** Unit of the rates, e.g. `IOPS`. */
  readonly unit: string;
  /** The targets, in the order of the command line. */
  readonly targets: readonly ComparedTarget[];
}

/** The runs of one target that were measured to their end. */
export interface ComparedTarget {
  readonly target: string;
  /** Rate of each run. */
  readonly rates: readonly number[];
  /** Median of the rates; absent without runs. */
  readonly median?: number;
  /** First and third quartile of the rates; absent without runs. */
  readonly quartiles?: readonly [number, number];
  /** Rate divided by the first target's, of each pair of the same round; absent for the first. */
  readonly ratios?: readonly number[];
  /** Median of {@link ratios}. */
  readonly medianRatio?: number;
  /** Medians over the runs, microseconds; absent where latency is not measured. */
  readonly latencyUs?: { readonly p50: number; readonly p99: number };
}

/** The runs of one target, in the order of the rounds. */
export interface TargetRuns {
  readonly target: string;
  readonly reports: readonly BenchReport[];
}

/** The part of a comparison that is not figures. */
export type ComparisonHead = Pick<
  BenchComparison,
  "bench" | "options" | "runs" | "partial" | "endedBy" | "environment"
>;

/** Makes a comparison of the runs of all targets: each target is compared with the first one. */
export function compareRuns(head: ComparisonHead, runs: readonly TargetRuns[]): BenchComparison {
  const reports = runs.flatMap((each) => each.reports);
  const [first] = runs;
  return {
    schemaVersion: 1,
    kind: "bench-comparison",
    ...head,
    unit: reports[0] === undefined ? "" : rateOf(reports[0]).unit,
    targets: runs.map((each) => summarizeRuns(each, each === first ? undefined : first)),
    warnings: [...new Set(reports.flatMap(({ warnings }) => warnings))],
  };
}

function summarizeRuns(
  { target, reports }: TargetRuns,
  first: TargetRuns | undefined,
): ComparedTarget {
  const rates = reports.map(rate);
  const latencies = reports.flatMap(({ latencyUs }) => latencyUs ?? []);
  const ratios = first?.reports.slice(0, rates.length).map((base, i) => {
    const value = rates[i] ?? Number.NaN;
    return value / rate(base);
  });
  return {
    target,
    rates,
    ...(rates.length > 0 && { median: median(rates), quartiles: quartiles(rates) }),
    ...(ratios !== undefined && { ratios }),
    ...(ratios !== undefined && ratios.length > 0 && { medianRatio: median(ratios) }),
    ...(latencies.length > 0 && {
      latencyUs: {
        p50: median(latencies.map(({ p50 }) => p50)),
        p99: median(latencies.map(({ p99 }) => p99)),
      },
    }),
  };
}

function rate(report: BenchReport): number {
  return report[rateOf(report).name] ?? 0;
}
