import type { BenchReport, LatencySummary } from "./bench-model.ts";

/** A few lines for people. */
export function benchLines(report: BenchReport): string[] {
  const { requests, seconds, bytesPerSecond, latencyUs } = report;
  const { name, unit } = rateOf(report);
  const throughput =
    bytesPerSecond === undefined ? "" : `, ${(bytesPerSecond / 2 ** 20).toFixed(1)} MiB/s`;
  const lines = [
    `${group(report[name] ?? 0)} ${unit}${throughput} (${group(requests)} in ${seconds.toFixed(2)} s)`,
  ];
  if (report.sentFramesPerSecond !== undefined)
    lines.push(`sent: ${group(report.sentFramesPerSecond)} frames/s`);
  for (const [phase, latency] of Object.entries(report.phasesUs ?? {}))
    lines.push(`${phase.padEnd(16)} ${summary(latency)} µs`);
  if (latencyUs) lines.push(`latency µs: ${summary(latencyUs)}`);
  return lines;
}

/** What became worse than in an earlier run; undefined: nothing, within the tolerance (percent). */
export function findRegression(
  now: BenchReport,
  before: BenchReport,
  tolerance: number,
): string | undefined {
  const { name } = rateOf(now);
  const [was, is] = [before[name] ?? 0, now[name] ?? 0];
  const least = was * (1 - tolerance / 100);
  if (is >= least) return undefined;
  const change = ((is / was - 1) * 100).toFixed(1);
  return `expected ${name} of at least ${group(least)} (${group(was)} less ${tolerance} %), got ${group(is)} (${change} %)`;
}

/** What a report's rate is called. */
function rateOf(report: BenchReport): {
  name: "iops" | "framesPerSecond" | "sessionsPerSecond";
  unit: string;
} {
  if (report.iops !== undefined) return { name: "iops", unit: "IOPS" };
  if (report.sessionsPerSecond !== undefined)
    return { name: "sessionsPerSecond", unit: "sessions/s" };
  return { name: "framesPerSecond", unit: "frames/s" };
}

function summary({ min, p50, p90, p99, p999, max }: LatencySummary): string {
  const us = (value: number): string => value.toFixed(1);
  return (
    `min ${us(min)}, p50 ${us(p50)}, p90 ${us(p90)}, p99 ${us(p99)}, ` +
    `p99.9 ${us(p999)}, max ${us(max)}`
  );
}

function group(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}
