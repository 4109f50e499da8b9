import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { clean, identifySelf, Ledger, ownPath } from "../../src/peers/index.ts";
import { needsRoot } from "../peers/support/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { packageRoot } from "../support/package-root.ts";
import { commandPath } from "./support/index.ts";
import { runs, ServerSpace, until } from "./support/servers.ts";

guardLeaks();

test("clean stops a server and removes all it made, the log too", async (t) => {
  const space = new ServerSpace(t, "listen");
  const pid = await space.started();
  const record = space.recordFile;
  const dry = await space.clean("--dry-run", "--json");
  const expected = {
    removed: [`pid ${pid} (node)`, space.log, space.pidFile, space.socket, record],
    left: [],
  };
  assert.deepEqual(JSON.parse(dry.stdout), { dryRun: true, ...expected });
  assert.ok(runs(pid));
  assert.ok(existsSync(record));
  const done = await space.clean("--json");
  assert.deepEqual(JSON.parse(done.stdout), { dryRun: false, ...expected });
  assert.equal(done.code, 0);
  space.assertNothingLeft();
  assert.equal(existsSync(space.log), false);
  const again = await space.clean();
  assert.equal(again.stdout, "nothing to clean\n");
});

test("clean removes the log that stop kept, and a stale pid file of ours", async (t) => {
  const space = new ServerSpace(t, "listen");
  await space.started();
  await space.qemu("stop");
  space.file("pid", "4194304\n12345 00000000-0000-0000-0000-000000000000\n");
  const { stdout } = await space.clean();
  assert.equal(stdout, `removed: ${space.pidFile}\nremoved: ${space.log}\n`);
});

test("clean leaves what it cannot prove to be ours, and says why", async (t) => {
  const space = new ServerSpace(t, "listen");
  const { pid } = process;
  space.file("pid", `${pid}\n`);
  space.file("log", "precious");
  symlinkSync(space.log, space.socket);
  const { code, stdout } = await space.clean();
  assert.equal(code, 0);
  assert.match(stdout, /^left alone: .*\/pid: it is not a pid file of ours/m);
  assert.match(stdout, /^left alone: .*\/log: it is not a log of ours$/m);
  assert.match(
    stdout,
    /^left alone: .*\/s: the ledger does not know who made it; .*: rm \/.*\/s$/m,
  );
  for (const path of [space.pidFile, space.log, space.socket]) assert.ok(existsSync(path));
});

test("clean leaves another user's files, whatever is in them", { skip: needsRoot() }, async (t) => {
  const space = new ServerSpace(t, "listen");
  writeFileSync(space.log, "# log of vhost-user qemu\n");
  writeFileSync(space.pidFile, "4194304\n1 00000000-0000-0000-0000-000000000000\n");
  for (const path of [space.log, space.pidFile]) chownSync(path, 65534, 65534);
  const { stdout } = await space.clean();
  assert.match(stdout, /^left alone: .*\/pid: .*another user/m);
  assert.match(stdout, /^left alone: .*\/log: /m);
  for (const path of [space.pidFile, space.log]) assert.ok(existsSync(path));
});

test("clean reports a half-written record and kills nobody for it", async (t) => {
  const space = new ServerSpace(t, "listen");
  const pid = await space.started();
  const file = space.recordFile;
  const whole = readFileSync(file, "utf8");
  writeFileSync(file, whole.slice(0, -20));
  const { code, stdout } = await space.clean();
  assert.equal(code, 0);
  assert.match(stdout, /^left alone: .*\.json: the record .* is damaged/m);
  assert.match(stdout, /^left alone: .*\/pid: it names pid \d+ \(node\), which runs/m);
  assert.ok(runs(pid));
  assert.ok(existsSync(space.socket));
  writeFileSync(file, whole);
  await space.clean();
  space.assertNothingLeft();
});

test("clean kills nobody whose pid was used again", async (t) => {
  const space = new ServerSpace(t, "listen");
  const pid = await space.started();
  const { process: identity } = space.record();
  assert.ok(identity);
  space.changeRecord((record) => ({
    ...record,
    process: { ...identity, startTime: `${BigInt(identity.startTime) - 1n}` },
  }));
  const { stdout } = await space.clean();
  assert.doesNotMatch(stdout, /removed: pid/);
  assert.ok(runs(pid), "it was killed");
  process.kill(pid, "SIGKILL");
  await until(() => !runs(pid));
  assert.equal(space.hasRecord, false);
});

test("clean leaves what another command is at work with, until that has ended", async (t) => {
  const space = new ServerSpace(t, "never-listen");
  const start = space.startQemu("start --timeout 60s");
  await until(() => space.survivors().length > 1 && space.hasRecord);
  const busy = await space.clean();
  assert.match(
    busy.stdout,
    /^left alone: .*\.json: pid \d+ \(node\) works on it; run clean again/m,
  );
  await start.stop("SIGKILL");
  const done = await space.clean();
  assert.equal(done.code, 0);
  space.assertNothingLeft();
});

test("a run of tests that still goes on is left, one that died is cleaned with its folders", async (t) => {
  const space = new ServerSpace(t);
  const ledger = Ledger.open({ XDG_RUNTIME_DIR: space.path("run") });
  const folder = space.path("work");
  mkdirSync(join(folder, "deep"), { recursive: true });
  const owner = identifySelf();
  const record = {
    id: "test-1",
    kind: "test",
    state: "running",
    owner,
    process: null,
    paths: [ownPath(folder, "folder")],
    details: {},
  } as const;
  ledger.write(record);
  const paths = { socket: space.socket, pidFile: space.pidFile, log: space.log };
  const busy = await clean(ledger, { paths });
  assert.deepEqual(busy.removed, []);
  assert.match(busy.left[0]?.reason ?? "", /is at work with it/);
  ledger.write({ ...record, owner: { ...owner, startTime: "1" } });
  const done = await clean(ledger, { paths });
  assert.deepEqual(done, { removed: [folder, ledger.fileOf("test-1")], left: [] });
  assert.equal(existsSync(folder), false);
});

test("clean removes half-written files and locks of the dead, not of the living", async (t) => {
  const space = new ServerSpace(t);
  const ledger = Ledger.open({ XDG_RUNTIME_DIR: space.path("run") });
  const self = identifySelf();
  const living = `.x.${self.pid}-${self.startTime}.tmp`;
  writeFileSync(join(ledger.folder, living), "");
  writeFileSync(join(ledger.folder, `.x.${self.pid}-1.tmp`), "");
  writeFileSync(join(ledger.folder, "y.lock"), JSON.stringify(self));
  writeFileSync(join(ledger.folder, "z.lock"), JSON.stringify({ ...self, startTime: "1" }));
  writeFileSync(join(ledger.folder, "notes"), "");
  await clean(ledger, {
    paths: { socket: space.socket, pidFile: space.pidFile, log: space.log },
  });
  assert.deepEqual(readdirSync(ledger.folder).sort(), [living, "notes", "y.lock"]);
});

test("clean --all removes the build output of a checkout, and of nothing but a checkout", async (t) => {
  const space = new ServerSpace(t);
  const checkout = space.path("checkout");
  const command = join(checkout, "bin", "vhost-user.js");
  mkdirSync(join(checkout, "bin"), { recursive: true });
  copyFileSync(commandPath, command);
  for (const name of ["package.json", "tsconfig.json"]) {
    writeFileSync(join(checkout, name), readFileSync(join(packageRoot, "package.json")));
  }
  symlinkSync(join(packageRoot, "node_modules"), join(checkout, "node_modules"));
  for (const name of ["src", "native", "build"]) mkdirSync(join(checkout, name));
  cpSync(join(packageRoot, "dist", "src"), join(checkout, "dist", "src"), { recursive: true });
  const run = (): string => {
    const paths = ["--socket", space.socket, "--pid-file", space.pidFile, "--log", space.log];
    const { stdout, stderr } = spawnSync(process.execPath, [command, "clean", "--all", ...paths], {
      env: { ...process.env, XDG_RUNTIME_DIR: space.path("run") },
      encoding: "utf8",
    });
    return stdout + stderr;
  };
  assert.equal(run(), "nothing to clean\n");
  assert.ok(existsSync(join(checkout, "dist")), "an installed package was destroyed");
  mkdirSync(join(checkout, ".git"));
  assert.equal(run(), `removed: ${checkout}/dist\nremoved: ${checkout}/build\n`);
  assert.equal(existsSync(join(checkout, "dist")), false);
  assert.ok(existsSync(join(checkout, "src")));
});
