import assert from "node:assert/strict";
import { test } from "node:test";
import { UsageError } from "../../../../src/core/base/index.ts";
import {
  measure,
  parseBaseline,
  updateBaseline,
  type Verdict,
} from "../../../../src/lab/conformance/index.ts";

const baseline = parseBaseline(
  JSON.stringify({
    expectations: [
      { check: "header/4", verdict: "WARN", reason: "libvhost-user echoes need_reply" },
      { check: "fuzz/*", verdict: "FAIL", reason: "aborts", version: "7.*" },
    ],
  }),
  "baseline.json",
);

const verdict = (id: string, came: Verdict, version?: string): string =>
  measure({ id, verdict: came, reason: "why" }, baseline, version).verdict;

test("what is expected is XFAIL with the baseline's reason, what is better is XPASS", () => {
  assert.deepEqual(measure({ id: "header/4", verdict: "WARN" }, baseline, undefined), {
    verdict: "XFAIL",
    reason: "libvhost-user echoes need_reply",
  });
  assert.equal(verdict("header/4", "PASS"), "XPASS");
  assert.equal(verdict("header/4", "FAIL"), "FAIL");
  assert.equal(verdict("header/4", "SKIP"), "SKIP");
  assert.equal(verdict("header/4", "ERROR"), "ERROR");
  assert.equal(verdict("header/40", "WARN"), "WARN");
  assert.equal(verdict("header/5", "WARN"), "WARN");
});

test("an expectation of some versions does not hold for other versions", () => {
  assert.equal(verdict("fuzz/1", "FAIL", "7.2.22"), "XFAIL");
  assert.equal(verdict("fuzz/1", "WARN", "7.2.22"), "XPASS");
  assert.equal(verdict("fuzz/1", "FAIL", "10.0"), "FAIL");
  assert.equal(verdict("fuzz/1", "FAIL"), "FAIL");
});

test("an intermittent result may be absent, and an update keeps it", () => {
  const expectation = { check: "stop/6", verdict: "FAIL", reason: "a race", sometimes: true };
  const racy = parseBaseline(JSON.stringify({ expectations: [expectation] }), "baseline.json");
  assert.equal(measure({ id: "stop/6", verdict: "FAIL" }, racy, undefined).verdict, "XFAIL");
  assert.equal(measure({ id: "stop/6", verdict: "PASS" }, racy, undefined).verdict, "PASS");
  for (const verdict of ["PASS", "FAIL"] as const) {
    assert.deepEqual(updateBaseline(racy, [{ id: "stop/6", verdict }], undefined), racy);
  }
});

test("an update keeps reasons, patterns and what was not made, and takes the rest from the run", () => {
  const results = [
    { id: "header/4", verdict: "PASS" },
    { id: "header/7", verdict: "WARN", reason: "served" },
    { id: "fuzz/1", verdict: "FAIL", reason: "died" },
  ] as const;
  const updated = updateBaseline(baseline, results, "7.2");
  assert.deepEqual(updated.expectations, [
    { check: "fuzz/*", verdict: "FAIL", reason: "aborts", version: "7.*" },
    { check: "header/7", verdict: "WARN", reason: "not confirmed yet: served" },
  ]);
  assert.deepEqual(updateBaseline(updated, [results[1]], "7.2"), updated);
  assert.equal(updateBaseline(baseline, [], "7.2").expectations.length, 2);
});

for (const [text, says] of [
  ["{", /is not a baseline: it must be JSON/],
  ["[]", /a baseline must be \{"expectations": \[...\]\}/],
  [`{"expectations":[{"check":"header/1","verdict":"PASS","reason":"x"}]}`, /FAIL or WARN/],
  [
    `{"expectations":[{"check":"header/1","verdict":"FAIL","reason":" "}]}`,
    /"reason" must be a text/,
  ],
  [
    `{"expectations":[{"check":"header/1","verdict":"FAIL","reason":"x","version":7}]}`,
    /"version"/,
  ],
  [
    `{"expectations":[{"check":"header/1","verdict":"FAIL","reason":"x","sometimes":1}]}`,
    /"sometimes"/,
  ],
] as const) {
  test(`no baseline: ${text}`, () => {
    assert.throws(
      () => parseBaseline(text, "b.json"),
      (error) => {
        assert.ok(error instanceof UsageError);
        assert.match(error.message, says);
        assert.match(error.message, /^b\.json/);
        return true;
      },
    );
  });
}

test("an expectation that names no check is refused, as --only does", () => {
  const parse = (check: string): unknown =>
    parseBaseline(
      JSON.stringify({ expectations: [{ check, verdict: "FAIL", reason: "it fails" }] }),
      "b.json",
    );
  for (const check of ["header/4", "header/*", "header", "fe/1", "*"]) parse(check);
  for (const check of ["header/9999", "headers", "header/4 "]) {
    assert.throws(
      () => parse(check),
      (error) =>
        error instanceof UsageError &&
        /^b\.json: 0: .*is not the id of a check/.test(error.message) &&
        error.message.includes(`"${check}" is not`),
    );
  }
});
