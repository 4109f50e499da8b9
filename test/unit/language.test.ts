import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { countByRoom, findHits, hitsOf, unusedExemptions } from "../language/hits.ts";
import { packageRoot } from "../support/package-root.ts";

test("each room has exactly the retired phrases that the table allows; the table only shrinks", () => {
  const table = readFileSync(join(packageRoot, "test", "language", "allowed.json"), "utf8");
  const help = "node scripts/language.mjs ROOM lists them, --update lowers the table";
  assert.deepEqual(countByRoom(findHits()), JSON.parse(table), help);
});

test("every exemption from the retired phrases is used", () => {
  assert.deepEqual(unusedExemptions(), []);
});

test("a retired phrase is found in prose, in names and across lines", () => {
  const names = (text: string): string[] =>
    hitsOf("src/core/base/a.ts", text).map(({ phrase }) => phrase.name);
  assert.deepEqual(names("// a piece of it"), ["piece"]);
  assert.deepEqual(names("queue.addPieces(1)"), ["piece"]);
  assert.deepEqual(names("/** in place\n * of it */"), ["in place of"]);
  assert.deepEqual(names('throw new UsageError("expected --a, got --b")'), [
    "expected where nothing was compared",
  ]);
  assert.deepEqual(names("a masterpiece; an overlap; alarm; arm64; there is no file"), []);
});
