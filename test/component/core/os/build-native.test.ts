import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { temporaryFolder } from "../../support/folder.ts";

guardLeaks();

function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

/** A copy of what the build needs, so that the one in use stays as it is. */
function checkout(t: TestContext): string {
  const folder = temporaryFolder(t);
  // Also where native/ is a link to the one in use, which must not be written to.
  const options = { recursive: true, dereference: true };
  cpSync(join(packageRoot(), "native"), join(folder, "native"), options);
  mkdirSync(join(folder, "scripts"));
  symlinkSync(join(packageRoot(), "node_modules"), join(folder, "node_modules"));
  cpSync(
    join(packageRoot(), "scripts", "build-native.mjs"),
    join(folder, "scripts", "build-native.mjs"),
  );
  return folder;
}

function build(
  folder: string,
  options: string[] = [],
  env: Record<string, string> = {},
  user: { uid?: number; gid?: number } = {},
) {
  const script = join(folder, "scripts", "build-native.mjs");
  return spawnSync(process.execPath, [script, ...options], {
    ...user,
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
}

test("builds, then does nothing until a source changes", (t) => {
  const folder = checkout(t);
  const output = join(folder, "build", "native", "vhost_user.node");
  const first = build(folder);
  assert.deepEqual([first.status, first.stdout, first.stderr], [0, "", ""]);
  const { ino } = statSync(output);
  assert.equal(build(folder).status, 0);
  assert.equal(statSync(output).ino, ino);
  const later = new Date(Date.now() + 10_000);
  utimesSync(join(folder, "native", "arguments.h"), later, later);
  assert.equal(build(folder).status, 0);
  assert.notEqual(statSync(output).ino, ino);
  assert.deepEqual(readdirSync(dirname(output)).sort(), ["stamp.json", "vhost_user.node"]);
});

test("a source that does not compile fails and leaves the old output", (t) => {
  const folder = checkout(t);
  const output = join(folder, "build", "native", "vhost_user.node");
  mkdirSync(dirname(output), { recursive: true });
  writeFileSync(output, "old");
  writeFileSync(join(folder, "native", "addon.c"), "int unused(;");
  const { status, stderr } = build(folder);
  assert.equal(status, 1);
  assert.match(stderr, /compiling the native addon failed/);
  assert.deepEqual(readdirSync(dirname(output)), ["vhost_user.node"]);
});

test("without a compiler it says what to install, or with --optional goes on", (t) => {
  const folder = checkout(t);
  const missing = { CC: "no-such-compiler" };
  const required = build(folder, [], missing);
  assert.equal(required.status, 4);
  assert.match(required.stderr, /^ *sudo apt-get install -y gcc libc6-dev$/m);
  assert.match(required.stderr, /^ *sudo dnf install -y gcc glibc-devel$/m);
  const optional = build(folder, ["--optional"], missing);
  assert.equal(optional.status, 0);
  assert.equal(optional.stderr.trim().split("\n").length, 1);
});

test("needs no headers of Node: the compiler alone is called", (t) => {
  const folder = checkout(t);
  const compiler = join(folder, "compiler");
  const calls = join(folder, "calls");
  writeFileSync(compiler, `#!/bin/sh\nprintf '%s\\n' "$*" >>'${calls}'\nexec cc "$@"\n`, {
    mode: 0o755,
  });
  const { status, stderr } = build(folder, [], { CC: compiler, PATH: "/usr/bin:/bin" });
  assert.equal(status, 0, stderr);
  const includes = readFileSync(calls, "utf8").match(/(?<=\s)-I\S+/g);
  const { include_dir } = createRequire(import.meta.url)("node-api-headers") as {
    include_dir: string;
  };
  assert.deepEqual(includes, [`-I${include_dir}`]);
});

test("--prebuild has the same bytes in every folder, no symbols, and nothing of CFLAGS", (t) => {
  const contents = ["", "-DNOTHING -g"].map((CFLAGS) => {
    const folder = checkout(t);
    const { status, stderr } = build(folder, ["--prebuild"], { CFLAGS });
    assert.equal(status, 0, stderr);
    const names = readdirSync(join(folder, "prebuilds"));
    assert.equal(names.length, 1);
    assert.match(names[0] ?? "", /^linux-\w+-(glibc|musl)\.node$/);
    assert.ok(!existsSync(join(folder, "build")));
    return readFileSync(join(folder, "prebuilds", names[0] ?? ""));
  });
  assert.ok(contents[0]?.equals(contents[1] ?? Buffer.alloc(0)));
  assert.ok(!contents[0]?.includes(".symtab"));
});

test("a folder that this user may not write to is named, not blamed on the compiler", (t) => {
  const folder = checkout(t);
  chmodSync(folder, 0o555);
  // The superuser may write everywhere.
  const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const { status, stderr } = build(folder, [], {}, user);
  chmodSync(folder, 0o755);
  assert.equal(status, 1, stderr);
  assert.match(stderr, /cannot be written; run this as the owner of/);
});
