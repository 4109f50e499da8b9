import type { RecordableHistogram } from "node:perf_hooks";

/** `p50 12.3, p90 …` in microseconds, from a histogram of nanoseconds. */
export function percentilesUs(histogram: RecordableHistogram): string {
  const us = (percentile: number): string => (histogram.percentile(percentile) / 1000).toFixed(1);
  return `p50 ${us(50)}, p90 ${us(90)}, p99 ${us(99)}, p99.9 ${us(99.9)} µs`;
}

/** Nanoseconds into a histogram, which counts whole numbers from 1. */
export function record(histogram: RecordableHistogram, ns: number): void {
  histogram.record(Math.max(1, Math.round(ns)));
}
