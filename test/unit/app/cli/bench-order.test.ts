import assert from "node:assert/strict";
import { test } from "node:test";
import { alternated } from "../../../../src/app/cli/commands/bench/comparison.ts";

test("targets are measured in alternation, in reverse order in every second round", () => {
  assert.equal([...alternated(["A", "B", "C"], 3)].join(" "), "A B C C B A A B C");
});
