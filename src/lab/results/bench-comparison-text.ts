import { counted } from "../../core/base/index.ts";
import type { BenchComparison, ComparedTarget } from "./bench-comparison.ts";
import { group, workloadLine } from "./bench-text.ts";

/** Lines for people: the workload, and a table with one row for each target. */
export function comparisonLines(comparison: BenchComparison): string[] {
  const { partial, endedBy = "the run ended early" } = comparison;
  return [
    comparisonTitle(comparison),
    ...(partial ? [`partial result: ${endedBy}`] : []),
    ...aligned(comparisonRows(comparison)),
  ];
}

/** Returns the workload and how often each target was measured. */
export function comparisonTitle(comparison: BenchComparison): string {
  const { runs, targets } = comparison;
  const how = targets.length > 1 ? " of each target, alternated" : "";
  return `${workloadLine(comparison)}; ${counted(runs, "run")}${how}`;
}

/** Returns the cells of the table, header first; the name of the target is last. */
export function comparisonRows({ unit, targets }: BenchComparison): string[][] {
  const hasLatency = targets.some(({ latencyUs }) => latencyUs !== undefined);
  const latencyTitles = hasLatency ? ["p50 µs", "p99 µs"] : [];
  return [
    [`median ${unit}`, "quartiles", "ratio", "runs", ...latencyTitles, "target"],
    ...targets.map((target, i) => [
      target.median === undefined ? "-" : group(target.median),
      target.quartiles === undefined ? "-" : target.quartiles.map(group).join("-"),
      ratioText(target, i === 0),
      String(target.rates.length),
      ...(hasLatency ? latencyCells(target) : []),
      target.target,
    ]),
  ];
}

function ratioText({ medianRatio }: ComparedTarget, isFirst: boolean): string {
  if (isFirst) return "1";
  return medianRatio === undefined ? "-" : medianRatio.toFixed(3);
}

function latencyCells({ latencyUs }: ComparedTarget): string[] {
  if (latencyUs === undefined) return ["-", "-"];
  return [latencyUs.p50.toFixed(1), latencyUs.p99.toFixed(1)];
}

/** Figures are right-aligned; the last column is not padded. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === row.length - 1 ? cell : cell.padStart(widths[column] ?? 0),
      )
      .join("  "),
  );
}
