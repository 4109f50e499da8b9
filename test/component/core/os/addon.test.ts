import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { EnvironmentError } from "../../../../src/core/base/index.ts";
import { type AddonHost, loadAddon, thisHost } from "../../../../src/core/os/addon.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { runChildWell } from "../../support/child.ts";
import { temporaryFolder } from "../../support/folder.ts";

guardLeaks();

const here: AddonHost = thisHost();

test("an unsupported platform and a big-endian machine are distinguished from a missing addon", () => {
  assert.throws(() => loadAddon({ ...here, platform: "darwin" }), {
    name: "EnvironmentError",
    message: /need Linux, and this is darwin; run it on Linux/,
  });
  assert.throws(() => loadAddon({ ...here, arch: "s390x", endianness: "BE" }), {
    name: "EnvironmentError",
    message: /this s390x is big-endian/,
  });
});

/** A package whose only file is `path`: a link to nothing that Node can load, unless `from` is one. */
function packageWith(t: TestContext, path: string, from?: string): string {
  const folder = temporaryFolder(t);
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  if (from === undefined) writeFileSync(join(folder, path), "not an ELF file");
  else copyFileSync(from, join(folder, path));
  return folder;
}

const prebuilt = (libc: string): string => join("prebuilds", `linux-${here.arch}-${libc}.node`);
const built = join("build", "native", "vhost_user.node");

test("an addon that cannot be loaded is reported with what was tried and how to build it", (t) => {
  const packageRoot = packageWith(t, prebuilt("glibc"));
  assert.throws(
    () => loadAddon({ ...here, libc: "glibc", packageRoot }),
    (error: Error) => {
      assert.ok(error instanceof EnvironmentError);
      assert.match(error.message, /build\/native\/vhost_user\.node: no such file/);
      assert.match(
        error.message,
        /prebuilds\/linux-\S+-glibc\.node: .*(ELF|file too short|invalid)/,
      );
      assert.match(error.message, /^ +sudo apt-get install -y gcc libc6-dev$/m);
      assert.match(error.message, /^ +sudo dnf install -y gcc glibc-devel$/m);
      assert.match(error.message, /then run:\n +node \S+\/scripts\/build-native\.mjs$/);
      return true;
    },
  );
});

test("on musl, or another processor, the message names the prebuilt addons that there are", (t) => {
  const packageRoot = packageWith(t, prebuilt("glibc"));
  assert.throws(
    () => loadAddon({ ...here, libc: "musl", packageRoot }),
    (error: Error) => {
      const there = `linux-${here.arch}-glibc`;
      const wanted = `linux-${here.arch}-musl`;
      assert.ok(
        error.message.includes(`prebuilt addons in this package: ${there}; this is ${wanted}\n`),
        error.message,
      );
      assert.match(error.message, /^ +sudo apk add gcc musl-dev linux-headers$/m);
      assert.doesNotMatch(error.message, /apt-get|dnf/);
      return true;
    },
  );
  assert.throws(() => loadAddon({ ...here, arch: "riscv64", packageRoot: temporaryFolder(t) }), {
    message: /prebuilt addons in this package: none; this is linux-riscv64-/,
  });
});

test("a locally compiled addon is preferred to the prebuilt one, which replaces a broken one", (t) => {
  const { libc } = here;
  const ours = join(here.packageRoot, built);
  const compiled = packageWith(t, built, ours);
  mkdirSync(join(compiled, "prebuilds"));
  writeFileSync(join(compiled, prebuilt(libc)), "not an ELF file");
  assert.equal(typeof loadAddon({ ...here, packageRoot: compiled }).eventfd, "function");
  const broken = packageWith(t, prebuilt(libc), ours);
  mkdirSync(dirname(join(broken, built)), { recursive: true });
  writeFileSync(join(broken, built), "not an ELF file");
  assert.equal(typeof loadAddon({ ...here, packageRoot: broken }).eventfd, "function");
});

test("the addon can be loaded twice in one thread, as of two copies of the package", () => {
  // Links of one file: the dynamic linker loads it once.
  const folder = join(here.packageRoot, dirname(built));
  const copies = [1, 2].map((n) => join(folder, `copy-${process.pid}-${n}.node`));
  try {
    for (const copy of copies) linkSync(join(here.packageRoot, built), copy);
    const code = `for (const path of ${JSON.stringify(copies)}) require(path);`;
    const { status, stderr } = spawnSync(process.execPath, ["-e", code], { encoding: "utf8" });
    assert.equal(status, 0, stderr);
  } finally {
    for (const copy of copies) rmSync(copy, { force: true });
  }
});

test("the addon loads with the libc of every system that Node 20 runs on", () => {
  const needs = readFileSync(join(here.packageRoot, built), "latin1").matchAll(/GLIBC_2\.(\d+)/g);
  const newest = Math.max(...[...needs].map(([, minor]) => Number(minor)));
  // Node's own binaries need glibc 2.28. A function that moved to another library since (timer_*,
  // pthread_*, dl*) has a newer version where it is compiled: call the system call instead.
  assert.ok(newest <= 28, `the addon needs glibc 2.${newest}`);
});

test("importing the room does not load the addon", () => {
  runChildWell(`
    const loaded = () => process.report.getReport().sharedObjects.some((path) => path.endsWith("/vhost_user.node"));
    assert.equal(loaded(), false);
    os.addon();
    assert.equal(loaded(), true);`);
});
