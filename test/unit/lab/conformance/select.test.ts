import assert from "node:assert/strict";
import { test } from "node:test";
import { UsageError } from "../../../../src/core/base/index.ts";
import {
  type Check,
  checks,
  selectChecks,
  type Selection,
} from "../../../../src/lab/conformance/index.ts";
import { fillIn, splitWords } from "../../../../src/lab/conformance/index.ts";

const ids = (selection: Selection): string[] => selectChecks(checks, selection).map(({ id }) => id);

test("checks are chosen by id, pattern and section, in the catalogue's order", () => {
  assert.deepEqual(ids({ only: ["header/11", "header/1"] }), ["header/1", "header/11"]);
  assert.equal(ids({ only: ["header"] }).length, ids({ only: ["header/*"] }).length);
  assert.ok(ids({ only: ["header/1*"] }).includes("header/12"));
  assert.ok(!ids({ only: ["header/1"] }).includes("header/12"));
  assert.deepEqual(ids({ only: ["ack"], except: ["ack/*"] }), []);
  assert.ok(ids({ strengths: ["-"] }).includes("proto/5"));
  assert.ok(ids({ profile: "smoke" }).includes("framing/5"));
  assert.ok(!ids({ profile: "smoke" }).includes("framing/1"));
  assert.ok(
    ids({ profile: "hostile" }).every((id) => ids({}).includes(id) || id.startsWith("fuzz/")),
  );
});

test("shards are a partition", () => {
  const parts = [1, 2, 3].flatMap((index) => ids({ shard: { index, count: 3 } }));
  assert.deepEqual(parts.toSorted(), ids({}).toSorted());
});

test("a pattern that names no check is wrong usage, and the message says what there is", () => {
  for (const only of ["nothing/1", "headers", "header/1 "]) {
    assert.throws(
      () => ids({ only: [only] }),
      (error) =>
        error instanceof UsageError && /sections? \(clean, header, framing/.test(error.message),
    );
  }
});

test("a selection is one of the user's own checks as well", () => {
  const mine: Check = {
    id: "mine/1",
    title: "it holds",
    strength: "MUST",
    section: "-",
    observes: [],
    run: async () => undefined,
  };
  assert.deepEqual(selectChecks([mine], {}), [mine]);
});

test("a command line is split as a shell would, and nothing in it is run", () => {
  assert.deepEqual(splitWords(`a  "b c" 'd "e' f\\ g h"i"j "\\$x \\"y\\"" $z *`), [
    "a",
    "b c",
    'd "e',
    "f g",
    "hij",
    '$x "y"',
    "$z",
    "*",
  ]);
  assert.throws(() => splitWords(`a "b`), UsageError);
  assert.throws(() => splitWords("a 'b c"), UsageError);
  assert.throws(() => splitWords("  "), UsageError);
});

test("places are filled in, other braces stay", () => {
  assert.deepEqual(fillIn(["path={socket},x={y}", "{dir}{dir}"], { socket: "/s", dir: "/d" }), [
    "path=/s,x={y}",
    "/d/d",
  ]);
});
