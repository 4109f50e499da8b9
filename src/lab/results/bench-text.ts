import { counted } from "../../core/base/index.ts";
import type { BenchReport, LatencySummary } from "./bench-model.ts";

/** A few lines for people: what was measured, and what came of it. */
export function benchLines(report: BenchReport): string[] {
  const { requests, seconds, bytesPerSecond, latencyUs } = report;
  const { name, unit } = rateOf(report);
  const throughput =
    bytesPerSecond === undefined ? "" : `, ${(bytesPerSecond / 2 ** 20).toFixed(1)} MiB/s`;
  const lines = [
    workloadLine(report),
    ...(report.partial ? [`partial result: ${report.endedBy ?? "the run ended early"}`] : []),
    `${group(report[name] ?? 0)} ${unit}${throughput} (${group(requests)} in ${seconds.toFixed(2)} s)`,
  ];
  if (report.sentFramesPerSecond !== undefined)
    lines.push(`sent: ${group(report.sentFramesPerSecond)} frames/s`);
  for (const [phase, latency] of Object.entries(report.phasesUs ?? {}))
    lines.push(`${phase.padEnd(16)} ${summary(latency)} µs`);
  if (latencyUs) lines.push(`latency µs: ${summary(latencyUs)}`);
  return lines;
}

type Options = BenchReport["options"];

/** The options of each bench, in the order of their importance to the reader. */
const WORKLOADS: Readonly<Record<string, (options: Options) => readonly (string | false)[]>> = {
  block: ({ rw, readPercent, blockSize, depth, rate, size, verify, ...rest }) => [
    `${rw} ${bytes(blockSize)}`,
    readPercent !== undefined && `${readPercent} % reads`,
    `depth ${depth}`,
    ...rings(rest, "queue"),
    rate !== undefined && `${group(Number(rate))} requests/s`,
    size !== undefined && `the first ${bytes(size)}`,
    verify === true && "verified",
  ],
  net: ({ frameSize, depth, batch, queueSize, ...rest }) => [
    `${frameSize} byte frames`,
    `depth ${depth}`,
    `batch ${batch}`,
    ...rings(rest, "queue pair"),
    `rings of ${queueSize}`,
  ],
  connect: ({ requests }) => [`${counted(group(Number(requests)), "session")}, one after another`],
  backend: ({ queues, workers, ringMode, null: isNull, image, size }) => [
    counted(String(queues), "queue"),
    workers === true ? "in worker threads" : "on the event loop",
    `ring mode ${ringMode}`,
    isNull === true && "no data is moved",
    image === true && "an image",
    size !== undefined && bytes(size),
  ],
};

/** Returns the name of the bench and its options, in a person's words. */
export function workloadLine({ bench, options }: Pick<BenchReport, "bench" | "options">): string {
  const words = WORKLOADS[bench.split(" ", 1)[0] ?? ""]?.(options) ?? [];
  return [bench, words.filter((word) => word !== false).join(", ")].join(": ");
}

function rings({ queues, threads, ringMode, packed, inOrder }: Options, noun: string) {
  return [
    counted(String(queues), noun),
    counted(String(threads), "thread"),
    `ring mode ${ringMode}`,
    packed === true && "packed rings",
    inOrder === true && "in order",
  ];
}

function bytes(value: Options[string] | undefined): string {
  const size = Number(value);
  const unit = ["GiB", "MiB", "KiB"].findIndex((_, i) => size >= 2 ** (10 * (3 - i)));
  if (unit < 0) return `${size} bytes`;
  return `${Number((size / 2 ** (10 * (3 - unit))).toFixed(2))} ${["GiB", "MiB", "KiB"][unit]}`;
}

/** Options that do not change what is measured. */
const NOT_WORKLOAD: ReadonlySet<string> = new Set(["seed", "warmUpMs", "requests"]);

/** Returns the differences of the workload from an earlier run, one phrase for each option. */
export function workloadDifferences(
  now: Pick<BenchReport, "bench" | "options">,
  before: Pick<BenchReport, "bench" | "options">,
): string[] {
  if (now.bench !== before.bench) return [`${before.bench} (now ${now.bench})`];
  const names = new Set([...Object.keys(before.options), ...Object.keys(now.options)]);
  return [...names]
    .filter((name) => !NOT_WORKLOAD.has(name) && before.options[name] !== now.options[name])
    .map((name) => {
      const [was, is] = [before.options[name] ?? "not set", now.options[name] ?? "not set"];
      return `${name} ${was} (now ${is})`;
    });
}

/**
 * Returns the figure that is worse than in an earlier run by more than the tolerance (percent);
 * undefined if there is none.
 */
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

/** Returns the name of a report's rate and its unit. */
export function rateOf(report: BenchReport): {
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

/** Returns a whole number with commas between thousands. */
export function group(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}
