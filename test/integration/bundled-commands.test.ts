import assert from "node:assert/strict";
import { cpSync, mkdirSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { guardLeaks } from "../support/leak-guard.ts";
import { packageRoot } from "../support/package-root.ts";
import { Workspace } from "./support/index.ts";

guardLeaks();

/** A package whose command line prints which of its files runs. */
class StubPackage {
  readonly #space: Workspace;

  constructor(t: TestContext) {
    this.#space = new Workspace(t);
    cpSync(join(packageRoot, "bin"), this.#space.path("bin"), { recursive: true });
    this.write("package.json", '{"type":"module"}');
    this.write("dist/src/app/cli/main.js", 'export const main = () => console.log("modules");');
  }

  /** @param seconds when the file was written */
  write(path: string, content: string, seconds: number = 1): void {
    const file = this.#space.path(path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    utimesSync(file, seconds, seconds);
  }

  writeBundle(seconds: number): void {
    this.write("dist/cli/probe.cjs", 'exports.main = () => console.log("bundle");', seconds);
  }

  async run(...args: string[]): Promise<string> {
    const program = [process.execPath, this.#space.path("bin/vhost-user.js")];
    const { stdout, stderr } = await this.#space.run(args, { program });
    return `${stdout}${stderr}`.trim();
  }
}

test("a command that has a file of its own runs from it", async (t) => {
  const stub = new StubPackage(t);
  assert.equal(await stub.run("probe", "s"), "modules");
  stub.writeBundle(10);
  assert.equal(await stub.run("probe", "s"), "bundle");
  assert.equal(await stub.run("serve"), "modules");
  assert.equal(await stub.run("../cli/probe"), "modules");
  assert.equal(await stub.run(), "modules");
});

test("a file that is older than the compiler's record is not used", async (t) => {
  const stub = new StubPackage(t);
  stub.writeBundle(10);
  stub.write("dist/.tsbuildinfo", "", 11);
  assert.equal(await stub.run("probe", "s"), "modules");
  stub.writeBundle(12);
  assert.equal(await stub.run("probe", "s"), "bundle");
});
