import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { guardLeaks } from "../support/leak-guard.ts";
import { pagesIn, readDocument } from "../support/markdown.ts";
import { packageRoot } from "../support/package-root.ts";

guardLeaks();

/** Its snippets are files of `examples`, which the build compiles. */
const WITH_EXAMPLES: readonly string[] = ["docs/guides/write-a-device.md"];
const OPTIONS = [
  "--noEmit",
  "--strict",
  "--skipLibCheck",
  "--module",
  "nodenext",
  "--types",
  "node",
];

test("TypeScript in README and guides compiles against the package's declarations", (t) => {
  // Below the package, so that its own name leads to what it exports.
  mkdirSync(join(packageRoot, "build"), { recursive: true });
  const folder = mkdtempSync(join(packageRoot, "build", "snippets-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const files: string[] = [];
  for (const page of ["README.md", ...pagesIn("docs/guides")]) {
    if (WITH_EXAMPLES.includes(page)) continue;
    for (const { language, text } of readDocument(page).blocks) {
      if (language !== "ts") continue;
      const file = join(folder, `${page.replaceAll("/", "-")}-${files.length}.ts`);
      writeFileSync(file, `${text}\nexport {};\n`);
      files.push(file);
    }
  }
  assert.ok(files.length >= 4, "too few snippets were found");
  const compiler = join(packageRoot, "node_modules", ".bin", "tsc");
  const { status, stdout } = spawnSync(compiler, [...OPTIONS, "--ignoreConfig", ...files], {
    cwd: packageRoot,
    encoding: "utf8",
    timeout: 60_000,
  });
  assert.equal(status, 0, stdout);
});
