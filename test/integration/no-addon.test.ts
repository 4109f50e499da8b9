import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { guardLeaks } from "../support/leak-guard.ts";
import { packageRoot } from "../support/package-root.ts";

guardLeaks();

test("without the addon each command that needs it says what to install, and ends with 4", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "vu-test-"));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const part of ["package.json", "bin", join("dist", "src")]) {
    cpSync(join(packageRoot, part), join(folder, part), { recursive: true });
  }
  symlinkSync(join(packageRoot, "node_modules"), join(folder, "node_modules"));
  for (const command of ["demo", "probe x.sock", "io block id x.sock", "serve block --socket x"]) {
    const { status, stderr } = spawnSync(
      process.execPath,
      [join(folder, "bin", "vhost-user.js"), ...command.split(" ")],
      { cwd: folder, encoding: "utf8" },
    );
    assert.equal(status, 4, `${command}: ${stderr}`);
    assert.match(stderr, /^ +sudo apt-get install -y gcc libc6-dev$/m, command);
    assert.match(stderr, /^ +sudo dnf install -y gcc glibc-devel$/m, command);
  }
});
