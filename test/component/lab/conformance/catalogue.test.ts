import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { checks, frontendChecks } from "../../../../src/lab/conformance/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { packageRoot } from "../../../support/package-root.ts";
import { conformanceDocument } from "./support/document.ts";
import { frontendMutants } from "./support/mutants/fe.ts";
import { mutants } from "./support/mutants/index.ts";

guardLeaks();

test("every check has an id of its own, and a mutant", () => {
  const ids = [...checks, ...frontendChecks].map(({ id }) => id);
  assert.deepEqual(
    ids.filter((id, i) => ids.indexOf(id) !== i),
    [],
  );
  const caught = [...Object.keys(mutants), ...Object.keys(frontendMutants)];
  assert.deepEqual(caught.sort(), ids.toSorted());
});

test("every check says what it must observe before it can pass", () => {
  const lacking = [...checks, ...frontendChecks].filter(({ observes }) => observes.length === 0);
  assert.deepEqual(
    lacking.map(({ id }) => id),
    [],
  );
});

test("docs/reference/checks.md is what `npm run docs` writes", () => {
  const path = join(packageRoot, "docs", "reference", "checks.md");
  assert.equal(readFileSync(path, "utf8"), conformanceDocument(), "run `npm run docs`");
});
