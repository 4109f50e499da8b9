import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { arch } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { EnvironmentError } from "../../src/base/index.ts";
import { type AddonHost, loadAddon } from "../../src/os/addon.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { runChildWell } from "./support/child.ts";
import { temporaryFolder } from "./support/folder.ts";

guardLeaks();

const here: AddonHost = { platform: "linux", arch: arch(), endianness: "LE", packageRoot: "/" };

test("another platform and a big-endian machine are told apart from a missing addon", () => {
  assert.throws(() => loadAddon({ ...here, platform: "darwin" }), {
    name: "EnvironmentError",
    message: /need Linux, this is darwin/,
  });
  assert.throws(() => loadAddon({ ...here, arch: "s390x", endianness: "BE" }), {
    name: "EnvironmentError",
    message: /this s390x is big-endian/,
  });
});

test("a missing addon is reported with what was tried and how to build it", (t) => {
  const packageRoot = temporaryFolder(t);
  const folder = join(packageRoot, "prebuilds");
  mkdirSync(folder);
  for (const libc of ["glibc", "musl"]) {
    writeFileSync(join(folder, `linux-${arch()}-${libc}.node`), "not an ELF file");
  }
  assert.throws(
    () => loadAddon({ ...here, packageRoot }),
    (error: Error) => {
      assert.ok(error instanceof EnvironmentError);
      assert.match(error.message, /prebuilds\/linux-\S+\.node: .*(ELF|file too short|invalid)/);
      assert.match(error.message, /build\/native\/vhost_user\.node: no such file/);
      assert.match(error.message, /^ +sudo apt-get install -y gcc libc6-dev$/m);
      assert.match(error.message, /^ +sudo dnf install -y gcc glibc-devel$/m);
      assert.match(error.message, /npm run build .*\n +node \S+\/scripts\/build-native\.mjs$/);
      return true;
    },
  );
});

test("importing the room does not load the addon", () => {
  runChildWell(`
    const loaded = () => process.report.getReport().sharedObjects.some((path) => path.endsWith("/vhost_user.node"));
    assert.equal(loaded(), false);
    os.addon();
    assert.equal(loaded(), true);`);
});
