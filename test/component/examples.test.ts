import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { classExamples } from "../support/doc-examples.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { packageRoot } from "../support/package-root.ts";

guardLeaks();

const examples = classExamples();
// Below the package, so that its own name resolves as in a program that depends on it.
mkdirSync(join(packageRoot, "build"), { recursive: true });
const sources = mkdtempSync(join(packageRoot, "build", "examples-"));
const folder = mkdtempSync(join(tmpdir(), "vu-examples-"));
after(() => {
  for (const each of [sources, folder]) rmSync(each, { recursive: true });
});

test("every exported class has an example", () => {
  assert.ok(examples.length > 50, `${examples.length} classes`);
  const without = examples.filter(({ code }) => code === "");
  assert.deepEqual(
    without.map(({ name }) => name),
    [],
  );
});

test("the examples of classes compile against the package as strict ES modules", () => {
  for (const { name, code } of examples) {
    writeFileSync(join(sources, `${name}.ts`), `${code}export {};\n`);
  }
  const compilerOptions = {
    module: "nodenext",
    target: "es2022",
    lib: ["ES2023", "ESNext.Disposable"],
    types: ["node"],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: true,
    rootDir: ".",
    outDir: "out",
  };
  const config = { compilerOptions, include: ["*.ts"] };
  writeFileSync(join(sources, "tsconfig.json"), JSON.stringify(config));
  const tsc = join(packageRoot, "node_modules", "typescript", "bin", "tsc");
  const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", sources], {
    encoding: "utf8",
  });
  assert.equal(status, 0, stdout);
});

test("the examples of classes run to their end", () => {
  const runner = fileURLToPath(new URL("./support/run-examples.js", import.meta.url));
  const files = examples.map(({ name }) => join(sources, "out", `${name}.js`));
  const options = { cwd: folder, encoding: "utf8", timeout: 60_000 } as const;
  const { status, stderr } = spawnSync(process.execPath, [runner, ...files], options);
  assert.deepEqual([status, stderr], [0, ""]);
});
