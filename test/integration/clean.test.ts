import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import {
  clean,
  currentOwner,
  identifySelf,
  Ledger,
  ownPath,
} from "../../src/lab/programs/index.ts";
import { needsRoot } from "../programs/support/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { parseDocument } from "../support/published-schemas.ts";
import { packageRoot } from "../support/package-root.ts";
import { commandPath } from "./support/index.ts";
import { runs, ServerSpace } from "./support/servers.ts";
import { until } from "../support/until.ts";

guardLeaks();

/** The environment of a user at a terminal. */
const noCi = Object.fromEntries(
  "CI GITHUB_ACTIONS GITLAB_CI JENKINS_URL BUILDKITE TF_BUILD CIRCLECI"
    .split(" ")
    .map((name) => [name, ""]),
);

test("clean stops a server and removes all it made, the log too", async (t) => {
  const space = new ServerSpace(t, "listen");
  const pid = await space.started();
  const record = space.recordFile;
  const dry = await space.clean("--dry-run", "--json");
  const { owner } = space;
  const all = [`pid ${pid} (node)`, space.log, space.pidFile, space.socket, record];
  const head = { schemaVersion: 1, kind: "clean", owner };
  const expected = { ...head, removed: all.map((what) => ({ what, owner })), left: [] };
  assert.deepEqual(parseDocument("clean", dry.stdout), { dryRun: true, ...expected });
  assert.ok(runs(pid));
  assert.ok(existsSync(record));
  const done = await space.clean("--json");
  assert.deepEqual(parseDocument("clean", done.stdout), { dryRun: false, ...expected });
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
  const boot = "00000000-0000-0000-0000-000000000000";
  space.file("pid", `4194304\n12345 ${boot}\nowner ${space.owner}\n`);
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
    /^left alone: .*\/s: it is a symbolic link that the ledger does not know; .* remove it yourself$/m,
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

test("clean reports a half-written record and kills no process for it", async (t) => {
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

test("clean kills no process whose pid was reused", async (t) => {
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

test("clean covers what its own owner started; --owner and --all-owners cover the rest", async (t) => {
  const space = new ServerSpace(t, "listen");
  const mine = await space.started();
  const other = space.path("other");
  const paths = ["--socket", other, "--pid-file", `${other}.pid`, "--log", `${other}.log`];
  const start = ["qemu", "start", "--accel", "tcg", "--owner", "github:o/p/7/1/build", ...paths];
  assert.equal((await space.command(start).result).code, 0);
  const [pid] = space.survivors().filter((one) => one !== mine);
  assert.ok(pid);

  const dry = await space.clean("--dry-run");
  const [first, ...lines] = dry.stdout.trimEnd().split("\n");
  assert.equal(first, `owner: ${space.owner}`);
  assert.ok(lines.includes(`would remove: pid ${mine} (node) (owner ${space.owner})`), dry.stdout);
  const left = `left alone: pid ${pid} (node): github:o/p/7/1/build started it; --owner github:o/p/7/1/build or --all-owners covers it`;
  assert.deepEqual(
    lines.filter((line) => !line.endsWith(`(owner ${space.owner})`)),
    [left],
  );
  const all = await space.clean("--dry-run", "--all-owners");
  assert.match(all.stdout, /^all owners\n/);
  assert.match(
    all.stdout,
    new RegExp(`^would remove: pid ${mine} \\(node\\) \\(owner the tests\\)$`, "m"),
  );
  assert.match(all.stdout, new RegExp(`^would remove: pid ${pid} .*\\(owner github:`, "m"));

  const { code, stdout } = await space.clean();
  assert.equal(code, 0);
  assert.ok(stdout.includes(`${left}\n`), stdout);
  assert.equal(runs(mine), false);
  assert.ok(runs(pid), "another job's peer was stopped");
  assert.ok(existsSync(other) && existsSync(`${other}.pid`) && existsSync(`${other}.log`));
  await space.clean("--owner", "github:o/p/7/1/build");
  assert.equal(runs(pid), false);
  space.assertNothingLeft();
  assert.ok(!existsSync(other) && !existsSync(`${other}.log`));
  const both = await space.clean("--owner", "x", "--all-owners");
  assert.match(both.stderr, /'--owner <name>' cannot be used with option '--all-owners'/);
  assert.equal(both.code, 2);
});

test("clean leaves another owner's log and stale pid file, and those without an owner", async (t) => {
  const space = new ServerSpace(t, "listen");
  const boot = "00000000-0000-0000-0000-000000000000";
  for (const line of ["", "owner job-2\n"]) {
    space.file("pid", `4194304\n1 ${boot}\n${line}`);
    space.file("log", `# log of vhost-user qemu\n${line && `# ${line}`}# 2026-01-01 qemu\n`);
    const kept = await space.clean();
    const reason =
      line === "" ? "recorded no owner; --all" : "job-2 started it; --owner job-2 or --all";
    assert.equal(kept.stdout.split(reason).length - 1, 2, kept.stdout);
    assert.ok(existsSync(space.pidFile) && existsSync(space.log));
    const done = await space.clean("--all-owners");
    assert.equal(done.stdout, `removed: ${space.pidFile}\nremoved: ${space.log}\n`);
  }
});

test("clean leaves a record of before there were owners, and --all-owners covers it", async (t) => {
  const space = new ServerSpace(t, "listen");
  const pid = await space.started();
  space.changeRecord((record) => {
    const { writer, ...rest } = record;
    return { ...rest, version: 1, owner: writer } as never;
  });
  assert.equal((await space.status()).owner, null);
  const kept = await space.clean();
  assert.match(
    kept.stdout,
    /^left alone: pid \d+ \(node\): an older version made it and recorded no owner; --all-owners covers it$/m,
  );
  assert.ok(runs(pid));
  assert.ok(existsSync(space.socket));
  await space.clean("--all-owners");
  assert.equal(runs(pid), false);
  space.assertNothingLeft();
});

test("what two checkouts and two jobs of a CI system start is kept apart", async (t) => {
  const space = new ServerSpace(t);
  const env = { XDG_RUNTIME_DIR: space.path("run"), VHOST_USER_OWNER: "" };
  const job = { GITHUB_ACTIONS: "true", GITHUB_REPOSITORY: "o/p", GITHUB_RUN_ATTEMPT: "1" };
  for (const name of ["GITHUB_JOB", "RUNNER_NAME"]) Object.assign(job, { [name]: name });
  const [a, b] = ["a", "b"].map((name) => space.path(name));
  for (const path of ["a", "b"]) mkdirSync(space.path(`${path}/.git`), { recursive: true });
  const places: readonly (readonly [cwd: string | undefined, env: Record<string, string>])[] = [
    [a, noCi],
    [b, noCi],
    [a, { ...noCi, ...job, GITHUB_RUN_ID: "1" }],
    [a, { ...noCi, ...job, GITHUB_RUN_ID: "2" }],
  ];
  const owners = new Set<unknown>();
  for (const [cwd = "", more] of places) {
    const args = ["clean", "--dry-run", "--json", "--socket", space.socket];
    const { stdout } = await space.command(args, { cwd, env: { ...env, ...more } }).result;
    owners.add(parseDocument("clean", stdout)["owner"]);
  }
  assert.deepEqual(
    [...owners],
    [a, b, "github:o/p/1/1/GITHUB_JOB/RUNNER_NAME", "github:o/p/2/1/GITHUB_JOB/RUNNER_NAME"],
  );
});

test("clean leaves what another command is at work with, until that has ended", async (t) => {
  const space = new ServerSpace(t, "never-listen");
  const start = space.startQemu("start --start-timeout 60s");
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
  const writer = identifySelf();
  const owner = currentOwner();
  const record = {
    id: "test-1",
    kind: "test",
    state: "running",
    owner,
    writer,
    process: null,
    paths: [ownPath(folder, "folder")],
    details: {},
  } as const;
  ledger.write(record);
  const paths = { socket: space.socket, pidFile: space.pidFile, log: space.log };
  const busy = await clean(ledger, { paths });
  assert.deepEqual(busy.removed, []);
  assert.match(busy.left[0]?.reason ?? "", /is at work with it/);
  ledger.write({ ...record, writer: { ...writer, startTime: "1" } });
  const done = await clean(ledger, { paths });
  const removed = [folder, ledger.fileOf("test-1")].map((what) => ({ what, owner }));
  assert.deepEqual(done, { removed, left: [] });
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
  cpSync(dirname(commandPath), join(checkout, "bin"), { recursive: true });
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
