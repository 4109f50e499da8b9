import type { BenchReport } from "./bench-model.ts";

/** A few lines for people. */
export function benchLines(report: BenchReport): string[] {
  const { requests, seconds, bytesPerSecond, latencyUs } = report;
  const rate = report.iops ?? report.framesPerSecond ?? 0;
  const unit = report.iops === undefined ? "frames/s" : "IOPS";
  const lines = [
    `${group(rate)} ${unit}, ${(bytesPerSecond / 2 ** 20).toFixed(1)} MiB/s ` +
      `(${group(requests)} in ${seconds.toFixed(2)} s)`,
  ];
  if (report.sentFramesPerSecond !== undefined)
    lines.push(`sent: ${group(report.sentFramesPerSecond)} frames/s`);
  if (latencyUs) {
    const { min, p50, p90, p99, p999, max } = latencyUs;
    const us = (value: number): string => value.toFixed(1);
    lines.push(
      `latency µs: min ${us(min)}, p50 ${us(p50)}, p90 ${us(p90)}, p99 ${us(p99)}, ` +
        `p99.9 ${us(p999)}, max ${us(max)}`,
    );
  }
  return lines;
}

/** What became worse than in an earlier run; undefined: nothing, within the tolerance (percent). */
export function findRegression(
  now: BenchReport,
  before: BenchReport,
  tolerance: number,
): string | undefined {
  const name = now.iops === undefined ? "framesPerSecond" : "iops";
  const [was, is] = [before[name] ?? 0, now[name] ?? 0];
  const least = was * (1 - tolerance / 100);
  if (is >= least) return undefined;
  const change = ((is / was - 1) * 100).toFixed(1);
  return `expected ${name} of at least ${group(least)} (${group(was)} less ${tolerance} %), got ${group(is)} (${change} %)`;
}

function group(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}
