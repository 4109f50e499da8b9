import { collapseRepeats } from "../../../../src/lab/results/conformance/decisive.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  conformanceHtml,
  conformanceJunit,
  conformanceLines,
  conformanceMarkdown,
  type ConformanceReport,
  type CaseResult,
  conformanceTotals,
  DECIDING,
  failureLines,
  tallyOf,
  mergeReports,
} from "../../../../src/lab/results/index.ts";
import { parseJunit } from "../../../support/junit.ts";

const result = (
  id: string,
  verdict: CaseResult["verdict"],
  more: Partial<CaseResult> = {},
): CaseResult => ({
  id,
  title: `it <holds> | "so"`,
  strength: "MUST",
  section: "Header",
  verdict,
  findings: [],
  values: [],
  durationMs: 12,
  exchange: [],
  repeat: `vhost-user conform x.sock --only ${id}`,
  ...more,
});

const hostile = `</script><script>alert(1)</script>\u0000 \`\`\`` + " ]]> | é";

function report(...results: readonly CaseResult[]): ConformanceReport {
  return {
    schemaVersion: 1,
    kind: "conformance",
    tool: { name: "vhost-user", version: "0.1.0" },
    startedAt: "2026-03-04T05:06:07.890Z",
    durationMs: 1234,
    target: { name: hostile, device: "block", virtioFeatures: "0x1", protocolFeatures: "0x2" },
    seed: 7,
    ...tallyOf(results),
    results,
  };
}

const failed = result("header/2", "FAIL", {
  reason: hostile,
  findings: [{ message: hostile, expected: "5", actual: hostile }],
  exchange: ["1.0 ms  s1 > GET_FEATURES", hostile],
  output: hostile,
});
const all = report(
  result("header/1", "PASS"),
  failed,
  result("ack/1", "WARN", { reason: "odd" }),
  result("ack/2", "SKIP", { reason: "not offered" }),
  result("ack/3", "ERROR", { reason: "ours" }),
  result("ack/4", "INFO", { values: ["seen"] }),
  result("ack/5", "XFAIL", { reason: "known" }),
  result("ack/6", "XPASS", { reason: "better" }),
);

test("a failure in the terminal has what was expected, what came, the exchange and how to repeat it", () => {
  const lines = conformanceLines(failed).join("\n");
  for (const part of ["FAIL  header/2", "expected  5", "s1 > GET_FEATURES", "--only header/2"]) {
    assert.ok(lines.includes(part), part);
  }
  assert.equal(conformanceLines(result("header/1", "PASS")).length, 1);
  assert.equal(
    conformanceTotals(all),
    "8 checks: 1 PASS, 1 FAIL, 1 WARN, 1 SKIP, 1 INFO, 1 ERROR, 1 XFAIL, 1 XPASS",
  );
  const unjudged = report(...all.results, result("ack/7", "SKIP", { notJudged: true }));
  assert.equal(
    conformanceTotals(unjudged),
    "9 checks: 1 PASS, 1 FAIL, 1 WARN, 2 SKIP (1 not judged), 1 INFO, 1 ERROR, 1 XFAIL, 1 XPASS",
  );
  assert.deepEqual([unjudged.judged, unjudged.notJudged], [5, 1]);
});

const bringUp = (session: string): string[] =>
  [
    "· connected",
    "> VHOST_USER_GET_FEATURES",
    "< VHOST_USER_GET_FEATURES reply 0x3 [VIRTIO_A VIRTIO_B]",
    "> VHOST_USER_SET_OWNER",
  ].map((text) => `     1.0 ms  ${session} ${text}`);

test("a terminal shows at most 12 lines of an exchange: the decisive ones, and what led to them", () => {
  const flood = Array.from({ length: 50 }, (_, i) => `     2.0 ms  s2 > request ${i}`);
  const decisive = `     3.0 ms  s2 < answer${DECIDING}`;
  const after = "     4.0 ms  s3 · connected";
  const exchange = [...bringUp("s1"), ...bringUp("s2"), ...flood, decisive, after];
  const bad = result("header/2", "FAIL", { exchange });
  const lines = conformanceLines(bad).filter((line) => line.includes("│"));
  assert.equal(lines.length, 12);
  assert.ok(lines.at(-1)?.endsWith(decisive), "what follows is left out");
  assert.ok(lines.at(-2)?.endsWith("request 49"));
  assert.match(lines[0] ?? "", /… \d+ lines …/);
  const all = conformanceLines(bad, { verbose: true }).filter((line) => line.includes("│"));
  assert.equal(all.length, exchange.length);
  const short = { ...bad, exchange: [...bringUp("s1"), decisive] };
  const [first, second] = conformanceLines(short).filter((line) => line.includes("│"));
  assert.match(first ?? "", /s1 · brought up: 4 lines$/);
  assert.ok(second?.endsWith(decisive));
});

test("a list of features is spelled out once, and repeated output is counted", () => {
  const list = "[VIRTIO_A VIRTIO_B]";
  const exchange = [`     1.0 ms  s1 < VHOST_USER_GET_FEATURES reply 0x3 ${list}${DECIDING}`];
  const output = "odd\n".repeat(18) + "one\ntwo\none\ntwo\nend\n";
  const warned = result("header/2", "WARN", { exchange, output });
  const spelled = new Set<string>();
  const first = conformanceLines(warned, { spelled }).join("\n");
  const second = conformanceLines(warned, { spelled }).join("\n");
  assert.deepEqual([first.includes(list), second.includes(list)], [true, false]);
  for (const part of [
    "odd\n      ┊ … repeated 18 times",
    "two\n      ┊ … the last 2 lines repeated 2 times",
    "┊ end",
  ]) {
    assert.ok(first.includes(part), first);
  }
});

test("one line for each failure; WARN is one with failOn only", () => {
  const ids = (failOn?: "warn"): string[] =>
    failureLines(all.results, failOn).map((line) => line.split(/ +/)[1] ?? "");
  assert.deepEqual(ids(), ["header/2", "ack/3", "ack/6"]);
  assert.deepEqual(ids("warn"), ["header/2", "ack/1", "ack/3", "ack/6"]);
});

test("JUnit has a suite a section; WARN fails on request only", () => {
  for (const [strict, failures] of [
    [false, "2"],
    [true, "3"],
  ] as const) {
    const root = parseJunit(conformanceJunit(all, strict ? "warn" : undefined));
    const { tests, errors } = root.attributes;
    assert.deepEqual([tests, root.attributes["failures"], errors], ["8", failures, "1"]);
    assert.deepEqual(
      root.children.map(({ attributes }) => attributes["name"]),
      ["header", "ack"],
    );
  }
});

test("the HTML page holds everything, and nothing of it is markup of a target", () => {
  const page = conformanceHtml(all);
  assert.equal(page.match(/<script>/g)?.length, 1);
  assert.equal(page.match(/<details class="check"/g)?.length, 8);
  assert.ok(page.includes("&lt;/script&gt;&lt;script&gt;alert(1)"));
  // Links to the specification are followed, not loaded.
  assert.doesNotMatch(page, /<link|(?:src)=|@import|url\(/);
  assert.doesNotMatch(page.replaceAll(/<a class="spec"[^>]*>/g, ""), /https?:\/\//);
  assert.ok(!page.includes("\u0000"));
});

test("Markdown lists what is not PASS; a fence cannot be closed from within", () => {
  const text = conformanceMarkdown(all);
  assert.ok(!text.includes("| header/1 |"));
  assert.match(text, /❌ FAIL \| header\/2 \| it &lt;holds> \\\| "so"/);
  assert.match(text, /````text\n/);
});

test("parts become one report", () => {
  const merged = mergeReports([report(failed), report(result("ack/1", "PASS"))]);
  assert.deepEqual(
    merged.results.map(({ id }) => id),
    ["header/2", "ack/1"],
  );
  assert.equal(merged.counts.FAIL, 1);
  assert.equal(merged.counts.PASS, 1);
  assert.equal(merged.durationMs, 2468);
  assert.throws(() => mergeReports([]));
});

test("lines that repeat become one, also empty ones at the end", () => {
  assert.deepEqual(collapseRepeats([""]), [""]);
  assert.deepEqual(collapseRepeats(["a", "", ""]), ["a", "", "… repeated 2 times"]);
  assert.deepEqual(collapseRepeats(["a", "b", "a", "b", "a"]), [
    "a",
    "b",
    "… the last 2 lines repeated 2 times",
    "a",
  ]);
});
