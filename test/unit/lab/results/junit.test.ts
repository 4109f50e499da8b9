import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  createTestReport,
  type GroupResult,
  testJunit,
} from "../../../../src/lab/results/index.ts";
import { parseJunit, parseXml, type XmlElement } from "../../../support/junit.ts";

const started = new Date("2026-03-04T05:06:07.890Z");

function junit(...groups: readonly GroupResult[]): XmlElement {
  return parseJunit(testJunit(createTestReport("0.1.0", started, 1234.5, groups)));
}

function group(...results: GroupResult["results"]): GroupResult {
  return { name: "basic", title: "basic tests", durationMs: 1000, results };
}

const passed = {
  id: "basic/1",
  findings: [],
  exchange: [],
  title: "It holds",
  verdict: "PASS",
  durationMs: 12,
  values: [],
} as const;

test("a report without groups is a valid document", () => {
  assert.deepEqual(junit().children, []);
});

test("groups become suites, tests become cases, with their times in seconds", () => {
  const root = junit(group(passed), { ...group(passed, passed), name: "perf" });
  assert.deepEqual(root.attributes, {
    name: "vhost-user",
    tests: "3",
    failures: "0",
    errors: "0",
    time: "1.235",
  });
  const [basic, perf] = root.children;
  assert.equal(basic?.attributes["timestamp"], "2026-03-04T05:06:07");
  assert.equal(perf?.children.length, 2);
  assert.deepEqual(basic?.children[0]?.attributes, {
    classname: "vhost-user.basic",
    name: "It holds",
    time: "0.012",
  });
});

test("a failure has its first line as message and all of it as text", () => {
  const reason = "expected 1, got 2\nand more";
  const root = junit(group({ ...passed, verdict: "FAIL", reason, values: ["seen", "too"] }));
  const [failure, output] = root.children[0]?.children[0]?.children ?? [];
  assert.equal(failure?.attributes["message"], "expected 1, got 2");
  assert.equal(failure.text, reason);
  assert.equal(output?.text, "seen\ntoo");
  assert.equal(root.attributes["failures"], "1");
});

test("a skipped test is neither passed nor failed, and says why over several lines", () => {
  const reason = "no such program;\n\tinstall it";
  const root = junit(group({ ...passed, verdict: "SKIP", reason }));
  const [suite] = root.children;
  assert.equal(suite?.attributes["skipped"], "1");
  assert.equal(suite.attributes["failures"], "0");
  assert.equal(suite.children[0]?.children[0]?.attributes["message"], reason);
});

test("mark-up in what was seen stays text", () => {
  const reason = `</failure><a b='1' c="2">&amp; ]]> \r\n`;
  const root = junit(group({ ...passed, title: reason, verdict: "FAIL", reason }));
  const found = root.children[0]?.children[0];
  assert.equal(found?.attributes["name"], reason);
  assert.equal(found.children[0]?.text, reason);
});

test("characters that XML cannot carry are replaced", () => {
  const values = ["\u0000\u001b[31m\ud800 \ufffe\u0085 é 文 😀"];
  const root = junit(group({ ...passed, values }));
  const [output] = root.children[0]?.children[0]?.children ?? [];
  assert.equal(output?.text, "\ufffd\ufffd[31m\ufffd \ufffd\u0085 é 文 😀");
});

test("any text at all makes a document that reads back", () => {
  const unit = fc.oneof(
    fc.constantFrom("\t", "\n", "\r", "<", ">", "&", '"', "]]>", "\u0000", "\u001b", "\ud800"),
    fc.string(),
  );
  const text = fc.array(unit).map((parts) => parts.join(""));
  fc.assert(
    fc.property(text, text, (reason, note) => {
      junit(group({ ...passed, verdict: "FAIL", reason, values: [note] }));
    }),
  );
});

test("the reader of these tests refuses what is not well-formed", () => {
  const head = '<?xml version="1.0" encoding="UTF-8"?>\n';
  assert.equal(parseXml(`${head}<a b="1"><c/>x</a>`).text, "x");
  for (const wrong of ["<a>", "<a></b>", "<a/><b/>", "<a>&</a>", "<a b='1'/>", "<a>\u0001</a>"]) {
    assert.throws(() => parseXml(head + wrong), wrong);
  }
  assert.throws(() => parseJunit(`${head}<testsuites/>`));
  assert.throws(() => parseXml("<a/>"));
});
