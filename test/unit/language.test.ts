import assert from "node:assert/strict";
import { test } from "node:test";
import { describeHit, findHits, hitsOf, unusedExemptions } from "../language/hits.ts";

test("no source, test or document uses a retired phrase", () => {
  assert.deepEqual(findHits().map(describeHit), []);
});

test("every exemption from the retired phrases is used", () => {
  assert.deepEqual(unusedExemptions(), []);
});

test("a retired phrase is found in prose, in names and across lines", () => {
  const names = (text: string): string[] =>
    hitsOf("src/core/base/a.ts", text).map(({ phrase }) => phrase.name);
  assert.deepEqual(names("// it tells of it"), ["tell"]);
  assert.deepEqual(names("queue.tellDriver(1)"), ["tell"]);
  assert.deepEqual(names("/** in place\n * of it */"), ["in place of"]);
  assert.deepEqual(names('throw new UsageError("expected --a, got --b")'), [
    "expected where nothing was compared",
  ]);
  assert.deepEqual(names("a foretold alarm; arm64; there is no file"), []);
});
