import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type BenchReport,
  compareRuns,
  comparisonHtml,
  comparisonLines,
  median,
} from "../../../../src/lab/results/index.ts";

const workload = { bench: "connect", options: { requests: 10 } };
const head = { ...workload, runs: 4, partial: false, environment: { node: "v1" } };

function report(sessionsPerSecond: number, p50: number, warnings: string[] = []): BenchReport {
  return {
    schemaVersion: 1,
    kind: "bench",
    ...workload,
    target: "not used",
    partial: false,
    requests: 10,
    seconds: 1,
    sessionsPerSecond,
    latencyUs: { min: 1, p50, p90: p50, p99: 2 * p50, p999: p50, max: p50 },
    perSecond: [10],
    environment: {},
    warnings,
  };
}

const runsOf = (target: string, rates: readonly number[]) => ({
  target,
  reports: rates.map((rate, i) => report(rate, i + 1)),
});

test("the median of an even number of values is the mean of the two in the middle", () => {
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([9, 1, 5]), 5);
  assert.ok(Number.isNaN(median([])));
});

test("a comparison has the median, the quartiles and the median ratio of the pairs", () => {
  // The ratio of the medians would be 200 / 250.
  const { unit, targets } = compareRuns(head, [
    runsOf("a", [100, 200, 300, 400]),
    runsOf("b", [200, 100, 600, 200]),
  ]);
  assert.equal(unit, "sessions/s");
  const [a, b] = targets;
  assert.deepEqual(a, {
    target: "a",
    rates: [100, 200, 300, 400],
    median: 250,
    quartiles: [175, 325],
    latencyUs: { p50: 2.5, p99: 5 },
  });
  assert.deepEqual(b?.ratios, [2, 0.5, 2, 0.5]);
  assert.equal(b?.medianRatio, 1.25);
  assert.deepEqual(b?.quartiles, [175, 300]);
});

test("a round that is not complete has no ratio, a target without runs no median", () => {
  const partial = { ...head, partial: true, endedBy: "interrupted" };
  const comparison = compareRuns(partial, [
    runsOf("a", [100, 200]),
    runsOf("b", [50]),
    runsOf("c", []),
  ]);
  const [, b, c] = comparison.targets;
  assert.deepEqual(b?.ratios, [0.5]);
  assert.deepEqual(c, { target: "c", rates: [], ratios: [] });
  assert.deepEqual(comparisonLines(comparison), [
    "connect: 10 sessions, one after another; 4 runs of each target, alternated",
    "partial result: interrupted",
    "median sessions/s  quartiles  ratio  runs  p50 µs  p99 µs  target",
    "              150    125-175      1     2     1.5     3.0  a",
    "               50      50-50  0.500     1     1.0     2.0  b",
    "                -          -      -     0       -       -  c",
  ]);
});

test("a warning that several runs have is in the comparison once", () => {
  const reports = [report(1, 1, ["hot"]), report(1, 1, ["hot", "slow"])];
  assert.deepEqual(compareRuns(head, [{ target: "a", reports }]).warnings, ["hot", "slow"]);
});

test("the page of a comparison has a row and a chart for each target, and no foreign address", () => {
  const html = comparisonHtml(compareRuns(head, [runsOf("<a>", [1, 2]), runsOf("b", [3])]));
  assert.match(html, /<td>&#60;a&#62;<\/td>/);
  assert.equal(html.match(/<circle /g)?.length, 3);
  assert.match(html, /<tr><td>2<\/td><td>2<\/td><td>-<\/td><\/tr>/);
  assert.doesNotMatch(html, /https?:|<script|NaN|undefined/);
});
