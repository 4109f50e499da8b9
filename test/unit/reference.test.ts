import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ciSystems, variables } from "../reference/environment.ts";
import { referencePages } from "../reference/pages.ts";
import { packageRoot } from "../support/package-root.ts";

const read = (path: string): string => readFileSync(join(packageRoot, path), "utf8");

for (const [path, make] of Object.entries(referencePages)) {
  test(`${path} is what npm run docs writes`, async () => {
    assert.equal(read(path), await make(), "run: npm run docs");
  });
}

/** How the sources read a variable: `env["X"]`, `{ X: name } = env`, `variable("X")`. */
const READS = [
  /\b(?:env|environment)\["(\w+)"\]/g,
  /\bvariable\("(\w+)"\)/g,
  /_VARIABLE = "(\w+)"/g,
  /[{,] (\w+): \w+(?=[^{}]*\} = env)/g,
];

test("the page of environment variables has those that the sources read", () => {
  const files = ["src", "bin", "scripts/build-native.mjs"].flatMap((place) =>
    /\.\w+$/.test(place)
      ? [place]
      : readdirSync(join(packageRoot, place), { recursive: true, encoding: "utf8" })
          .filter((file) => /\.[jt]s$/.test(file))
          .map((file) => join(place, file)),
  );
  const found = files.flatMap((file) => {
    const text = read(file);
    return READS.flatMap((pattern) => [...text.matchAll(pattern)].map(([, name = ""]) => name));
  });
  // Node itself reads the first three.
  const all = ["FORCE_COLOR", "NO_COLOR", "TMPDIR", "LISTEN_FDNAMES", ...found];
  assert.deepEqual([...new Set(all)].sort(), Object.keys(variables).sort());
});

test("the page of environment variables has the CI systems that name an owner", () => {
  const text = read("src/lab/programs/ledger/owner.ts");
  const markers = [...text.matchAll(/marker: "(\w+)"/g)].map(([, marker = ""]) => marker);
  assert.deepEqual(Object.keys(ciSystems), markers);
});
