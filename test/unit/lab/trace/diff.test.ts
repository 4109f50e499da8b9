import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { packageRoot } from "../../../../src/core/os/index.ts";
import {
  ComparedTrace,
  DEFAULT_MASKS,
  describeDiff,
  type Mask,
  TraceReader,
} from "../../../../src/lab/trace/index.ts";
import { compareSequences } from "../../../../src/lab/trace/diff/sequences.ts";

const CAPTURE = "test/fixtures/captures/qemu-7.2-blk--qemu-storage-daemon-7.2.jsonl";
const recorded = readFileSync(join(packageRoot, CAPTURE), "utf8").trim().split("\n");

function traced(lines: readonly string[], masks: readonly Mask[] = DEFAULT_MASKS): ComparedTrace {
  const trace = new ComparedTrace(masks);
  for (const { event } of new TraceReader().read(lines.join("\n"))) trace.event(event);
  return trace;
}

/** Changes every payload byte sequence of one text to another one of the same length. */
const replaced = (from: string, to: string): string[] =>
  recorded.map((line) => line.replaceAll(from, to));

test("a session is equal to itself", () => {
  const diffs = traced(recorded).compare(traced(recorded));
  assert.deepEqual(describeDiff(diffs), ["session 0, main socket: equal, 46 exchanges"]);
});

test("times, and a guest's memory at another user address, make no difference", () => {
  // 0x7f90c3fff000 and the addresses in the same region, 1 TiB higher.
  const moved = replaced("907f0000", "917f0000").map((line) => line.replace(/"us":\d+/, '"us":1'));
  assert.notDeepEqual(moved, recorded);
  assert.equal(traced(moved).compare(traced(recorded))[0]?.differences, 0);
  const raw = DEFAULT_MASKS.filter((mask) => mask !== "user-address");
  assert.ok((traced(moved, raw).compare(traced(recorded, raw))[0]?.differences ?? 0) > 0);
});

test("a missing message, another value and another order are shown", () => {
  const owner = recorded.findIndex((line) => line.includes('"hex":"030000000100000000000000"'));
  assert.ok(owner > 0);
  const missing = recorded.filter((_, at) => at !== owner);
  const [diff] = traced(recorded).compare(traced(missing));
  assert.deepEqual(
    diff?.lines.filter(({ mark }) => mark !== "="),
    [{ mark: "-", text: "SET_OWNER" }],
  );
  const resized = replaced(
    "08000000010000000800000000000000" + "80000000",
    "08000000010000000800000000000000" + "40000000",
  );
  const [other] = traced(recorded).compare(traced(resized));
  assert.deepEqual(
    other?.lines.filter(({ mark }) => mark !== "=").map(({ mark, text }) => `${mark} ${text}`),
    [
      "- SET_VRING_NUM index=0 num=128",
      "+ SET_VRING_NUM index=0 num=64",
      "- SET_VRING_NUM index=0 num=128",
      "+ SET_VRING_NUM index=0 num=64",
    ],
  );
});

test("where a ring was stopped is compared unless it is left out", () => {
  const later = replaced(
    "0b0000000500000008000000000000009b000000",
    "0b0000000500000008000000000000009c000000",
  );
  assert.equal(traced(later).compare(traced(recorded))[0]?.differences, 2);
  const masks: readonly Mask[] = [...DEFAULT_MASKS, "ring-base"];
  assert.equal(traced(later, masks).compare(traced(recorded, masks))[0]?.differences, 0);
});

test("two sequences are rebuilt from their comparison, which has the fewest lines", () => {
  const sequence = fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 12 });
  fc.assert(
    fc.property(sequence, sequence, (before, after) => {
      const lines = compareSequences(before, after);
      const of = (mark: string): string[] =>
        lines.filter((line) => line.mark === "=" || line.mark === mark).map(({ text }) => text);
      assert.deepEqual(of("-"), before);
      assert.deepEqual(of("+"), after);
      const common = lines.filter(({ mark }) => mark === "=").length;
      assert.equal(common, longest(before, after));
    }),
  );
});

/** Length of the longest common subsequence, by another way. */
function longest(a: readonly string[], b: readonly string[]): number {
  let row = Array<number>(b.length + 1).fill(0);
  for (const left of a) {
    const next = [0];
    for (const [j, right] of b.entries()) {
      next.push(left === right ? (row[j] ?? 0) + 1 : Math.max(row[j + 1] ?? 0, next[j] ?? 0));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
