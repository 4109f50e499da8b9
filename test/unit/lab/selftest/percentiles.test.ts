import assert from "node:assert/strict";
import { createHistogram } from "node:perf_hooks";
import { test } from "node:test";
import { percentilesUs, record } from "../../../../src/lab/selftest/percentiles.ts";

test("percentiles are in microseconds", () => {
  const histogram = createHistogram();
  for (let us = 1; us <= 1000; us += 1) record(histogram, us * 1000);
  const values =
    percentilesUs(histogram)
      .match(/[\d.]+(?= µs|,)/g)
      ?.map(Number) ?? [];
  assert.match(percentilesUs(histogram), /^p50 \S+, p90 \S+, p99 \S+, p99\.9 \S+ µs$/);
  for (const [i, expected] of [500, 900, 990, 999].entries()) {
    const value = values[i] ?? 0;
    assert.ok(Math.abs(value - expected) <= expected * 0.01, `${value} instead of ${expected}`);
  }
});

test("a time too short to be measured counts as the shortest", () => {
  const histogram = createHistogram();
  for (const ns of [0, -1, 0.4, 0.6]) record(histogram, ns);
  assert.equal(histogram.count, 4);
  assert.equal(histogram.max, 1);
});
