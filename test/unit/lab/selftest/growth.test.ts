import assert from "node:assert/strict";
import { test } from "node:test";
import {
  growthFaults,
  growthOf,
  slope,
  steadyGrowth,
} from "../../../../src/lab/selftest/stress/growth.ts";

const rounds = (count: number, value: (round: number) => number): number[] =>
  Array.from({ length: count }, (_, round) => value(round));

test("the slope of values on a line is the difference between its ends", () => {
  assert.equal(slope(rounds(10, (round) => 5 + 2 * round)), 18);
  assert.equal(slope([7]), 0);
});

test("growth means growth from third to third; a step, a peak and a return do not count", () => {
  assert.ok(steadyGrowth(rounds(12, (round) => round)) > 10);
  assert.equal(steadyGrowth(rounds(12, (round) => (round < 7 ? 10 : 20))), 0);
  assert.equal(steadyGrowth(rounds(12, (round) => (round === 11 ? 99 : 10))), 0);
  assert.equal(steadyGrowth(rounds(12, (round) => round % 3)), 0);
});

test("one descriptor in every few rounds is found, memory only over many, and nothing in a few", () => {
  const history = (count: number, bytes: number) =>
    rounds(count, (round) => round).map((round) => ({
      descriptors: 20 + Math.floor(round / 4),
      mappings: 3,
      residentBytes: 50e6 + round * bytes,
    }));
  assert.deepEqual(growthFaults(growthOf(history(8, 1e6))), []);
  assert.match(growthFaults(growthOf(history(40, 1e6))).join(), /^descriptors grow: from 22 to 29/);
  assert.equal(growthFaults(growthOf(history(120, 1e6))).length, 2);
  assert.equal(growthFaults(growthOf(history(120, 1000))).length, 1);
});
