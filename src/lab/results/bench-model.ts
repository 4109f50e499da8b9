/** The result of a load, as JSON has it. */
export interface BenchReport {
  readonly schemaVersion: 1;
  readonly kind: "bench";
  /** The subject of the measurement, for example `block`. */
  readonly bench: string;
  readonly target: string;
  /** The options, so that the run can be repeated. */
  readonly options: Readonly<Record<string, string | number | boolean>>;
  /** The run ended early, by {@link endedBy}: the figures are of what was measured until then. */
  readonly partial: boolean;
  readonly endedBy?: string;
  readonly requests: number;
  /** Seconds from the end of the warm-up to the last completion. */
  readonly seconds: number;
  /** Requests a second: of block devices. */
  readonly iops?: number;
  /** Rate of sessions, for `bench connect`. */
  readonly sessionsPerSecond?: number;
  /** Latencies of the phases of a connection, for `bench connect`. */
  readonly phasesUs?: Readonly<Record<string, LatencySummary>>;
  /** Rate of frames, for `bench net`. */
  readonly framesPerSecond?: number;
  /**
   * Rate of sent frames of `net loop`, where {@link framesPerSecond} counts the frames that
   * returned.
   */
  readonly sentFramesPerSecond?: number;
  readonly bytesPerSecond?: number;
  readonly latencyUs?: LatencySummary;
  /** Pairs of percentile and µs, for a curve. */
  readonly percentiles?: readonly (readonly [number, number])[];
  /** Completions in each second after the warm-up; the last one may be a part of a second. */
  readonly perSecond: readonly number[];
  readonly environment: Readonly<Record<string, string>>;
  /** Reasons why the result may be unreliable. */
  readonly warnings: readonly string[];
}

/** Microseconds. */
export interface LatencySummary {
  readonly min: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** The methods of a histogram of nanoseconds that a report needs. */
interface Histogram {
  readonly min: number;
  readonly max: number;
  percentile(percentile: number): number;
}

const CURVE = [0.1, 1, 5, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 99.999, 100];

export function summarizeLatency(histogram: Histogram): LatencySummary {
  const us = (percentile: number): number => histogram.percentile(percentile) / 1000;
  const [min, max] = [histogram.min / 1000, histogram.max / 1000];
  return { min, p50: us(50), p90: us(90), p99: us(99), p999: us(99.9), max };
}

export function percentileCurve(histogram: Histogram): [number, number][] {
  return CURVE.map((percentile) => [percentile, histogram.percentile(percentile) / 1000]);
}
