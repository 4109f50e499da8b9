import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { guardLeaks } from "../support/leak-guard.ts";
import { parseDocument } from "../support/published-schemas.ts";
import { needsNamespaces, unsharing } from "../support/namespaces.ts";
import { needsRoot } from "../programs/support/index.ts";
import { needsUnprivilegedUser, unprivilegedUser } from "./support/index.ts";
import { serverDefaults } from "../../src/lab/programs/index.ts";
import { serverId } from "../../src/lab/programs/server/server-options.ts";
import { runs, ServerSpace } from "./support/servers.ts";
import { until } from "../support/until.ts";

guardLeaks();

/** A program that has nothing to do with us. */
function bystander(t: TestContext): number {
  const child = spawn("sleep", ["1000"], { stdio: "ignore" });
  t.after(async () => {
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  });
  assert.ok(child.pid);
  return child.pid;
}

test(
  "a server that listens in another network namespace is ready, and its status says so",
  { skip: needsNamespaces() },
  async (t) => {
    const space = new ServerSpace(t, "listen");
    const words = unsharing("--net", space.path("fake-qemu")).join(" ");
    const wrapper = space.file("wrapper", `#!/bin/sh\nexec ${words} "$@"\n`);
    chmodSync(wrapper, 0o755);
    const { code, stderr } = await space.qemu("start", { env: { QEMU: wrapper } });
    assert.equal(code, 0, stderr);
    assert.equal((await space.status()).mode, "listening");
    assert.equal((await space.qemu("stop")).code, 0);
  },
);

test("start ends when the server listens, status describes it, stop leaves only the log", async (t) => {
  const space = new ServerSpace(t, "listen");
  const pid = await space.started("--memory 64M -- -extra word");
  assert.ok(runs(pid));
  const [first, second, third] = readFileSync(space.pidFile, "utf8").split("\n");
  assert.equal(first, `${pid}`);
  assert.equal(third, `owner ${space.owner}`);
  const { process: identity } = space.record();
  assert.equal(second, `${identity?.startTime} ${identity?.bootId}`);
  const { commandLine, ...status } = await space.status();
  assert.deepEqual(status, {
    running: true,
    pid,
    owner: space.owner,
    schemaVersion: 1,
    kind: "qemu",
    server: "net",
    accelerator: "tcg",
    socket: space.socket,
    mode: "listening",
    log: space.log,
  });
  assert.match(commandLine ?? "", / -m 64M .*server=on,.* -netdev vhost-user,.* -extra word$/);
  const printed = await space.qemu("status");
  assert.equal(printed.code, 0);
  assert.match(printed.stdout, /^running {3}net, pid \d+\n/);
  assert.match(printed.stdout, /\n {2}the program began with umask 077\n/);

  const stopped = await space.qemu("stop");
  assert.equal(stopped.code, 0);
  assert.match(stopped.stdout, new RegExp(`^stopped: pid ${pid}\n`));
  assert.match(stopped.stdout, new RegExp(`the log stays: ${space.log}\n$`));
  space.assertNothingLeft();
  const after = await space.qemu("status");
  assert.equal(after.code, 1);
  assert.match(after.stdout, /^not running/);
});

test("what it makes is for its owner alone", async (t) => {
  const space = new ServerSpace(t, "listen");
  await space.started();
  for (const path of [space.socket, space.pidFile, space.log, space.recordFile]) {
    assert.equal(lstatSync(path).mode & 0o077, 0, path);
  }
  assert.equal(lstatSync(space.ledgerFolder).mode & 0o777, 0o700);
  await space.qemu("stop");
});

test("a mode of connected is reported while a client is connected", async (t) => {
  const space = new ServerSpace(t, "listen");
  await space.started();
  const client = (await import("node:net")).connect(space.socket);
  t.after(() => client.destroy());
  await once(client, "connect");
  assert.equal((await space.status()).mode, "connected");
  await space.qemu("stop");
});

test("start of what runs says so and exits with 0; stop of nothing, too", async (t) => {
  const space = new ServerSpace(t, "listen");
  const pid = await space.started();
  const again = await space.qemu("start --kind block");
  assert.equal(again.code, 0);
  assert.match(again.stdout, /^already running: .*, not block \(restart changes that\)\n$/);
  assert.ok(runs(pid));
  await space.qemu("stop");
  const stopped = await space.qemu("stop");
  assert.equal(stopped.code, 0);
  assert.match(stopped.stdout, /^not running: /);
});

test("of several concurrent starts exactly one succeeds, the rest say that it runs", async (t) => {
  const space = new ServerSpace(t, "listen");
  const all = await Promise.all([1, 2, 3, 4].map(() => space.qemu("start")));
  assert.deepEqual(
    all.map(({ code }) => code),
    [0, 0, 0, 0],
  );
  const words = all.map(({ stdout }) => stdout.split(":")[0] ?? "").sort();
  assert.deepEqual(words, ["already running", "already running", "already running", "started"]);
  assert.equal(space.survivors().length, 1);
  await space.qemu("stop");
  space.assertNothingLeft();
});

test("status, stop and restart take every option that says where start put it", async (t) => {
  const space = new ServerSpace(t, "listen");
  const place = `--kind net --socket ${space.socket} --log ${space.log}`;
  await space.started(place);
  const first = await space.qemu(`status --json ${place}`);
  assert.equal(first.code, 0, first.stderr);
  assert.equal(parseDocument("qemu", first.stdout)["server"], "net");
  const restarted = await space.qemu(`restart --json ${place}`);
  assert.equal(parseDocument("qemu", restarted.stdout)["running"], true, restarted.stderr);
  const { stdout: stopped } = await space.qemu(`stop --json ${place}`);
  assert.equal(parseDocument("qemu-stop", stopped)["forced"], false);
  const gone = await space.qemu(`status --json ${place}`);
  assert.equal(parseDocument("qemu", gone.stdout)["server"], null);
  const kept = await space.qemu(`status ${place}`);
  assert.equal(kept.code, 1);
  assert.match(kept.stdout, new RegExp(`^not running .*\\nlog {7}${space.log}\\n {2}the program`));
  assert.equal((await space.qemu(`stop ${place}`)).code, 0);
});

test("status and stop refuse a server that is not the one that the options name", async (t) => {
  const space = new ServerSpace(t, "listen");
  const pid = await space.started();
  const mismatches: readonly (readonly [words: string, says: RegExp])[] = [
    ["--kind block", /--kind block is not that of the server on \/.*\/s, whose is net; leave/],
    ["--log other", /--log \/.*\/other is not that of .* whose is \/.*\/log; leave --log out/],
    ["--pid-file other", /--pid-file \/.*\/other is not that of/],
    ["--image disk.img", /--image \/.*\/disk.img is not that of .*, whose is none/],
  ];
  for (const verb of ["status", "stop"]) {
    for (const [words, says] of mismatches) {
      const { code, stderr } = await space.qemu(`${verb} ${words}`);
      assert.match(stderr, says);
      assert.equal(code, 2);
    }
  }
  assert.ok(runs(pid));
  await space.qemu("stop");
});

test("another owner's server on a socket that is not named is not stopped", async (t) => {
  const space = new ServerSpace(t, "listen");
  const pid = await space.started("--owner job-1");
  assert.equal((await space.status()).owner, "job-1");
  assert.match((await space.qemu("status")).stdout, /^owner {5}job-1$/m);
  assert.match((await space.qemu("start")).stdout, /^already running: .*, started by job-1\n$/);
  // Through the file system the default socket's record is that of this place's.
  const env = { SOCKET_PATH: "" };
  const id = serverId(serverDefaults.socket);
  const record = { ...space.record(), version: 2, id };
  writeFileSync(join(space.ledgerFolder, `${id}.json`), JSON.stringify(record));
  for (const verb of ["stop", "restart"]) {
    const { code, stderr } = await space.qemu(verb, { env });
    assert.match(stderr, /was started by job-1, not by .*; to stop it nevertheless, name it/);
    assert.equal(code, 2);
  }
  assert.ok(runs(pid));
  rmSync(join(space.ledgerFolder, `${id}.json`));
  assert.match((await space.qemu("stop")).stdout, /^stopped: /);
});

test("an owner with a line end, or none, is refused", async (t) => {
  const space = new ServerSpace(t, "listen");
  const bad = await space.qemu("start", { env: { VHOST_USER_OWNER: "a\nb" } });
  assert.match(bad.stderr, /VHOST_USER_OWNER must be a name of .*, not "a\\nb"\n$/);
  assert.equal(bad.code, 2);
  const empty = await space.command(["clean", "--owner", ""]).result;
  assert.match(empty.stderr, /--owner must be a name of 1 to 200 characters/);
  assert.equal(empty.code, 2);
  space.assertNothingLeft();
});

test("two servers on two sockets do not share a pid file or a log", async (t) => {
  const space = new ServerSpace(t, "listen");
  const pid = await space.started();
  const second = await space.qemu(`start --socket ${space.path("other")}`);
  assert.equal(second.code, 2);
  assert.match(second.stderr, /it is the (log|pid file) of pid \d+, which runs; choose another/);
  assert.ok(runs(pid));
  const hint = await space.qemu(`stop --socket ${space.path("other")}`);
  assert.match(
    hint.stderr,
    new RegExp(`running on other sockets \\(--socket\\): ${space.socket}\n`),
  );
  await space.qemu("stop");
});

test("restart keeps what is not given again, also the program's own arguments", async (t) => {
  const space = new ServerSpace(t, "listen");
  const pid = await space.started("--memory 64M -- -extra");
  const restarted = await space.qemu("restart --memory 32M");
  assert.match(restarted.stdout, /^restarted: /);
  const status = await space.status();
  assert.notEqual(status.pid, pid);
  assert.equal(runs(pid), false);
  assert.match(status.commandLine ?? "", / -m 32M .* -extra$/);
  await space.qemu("stop");
});

test("a restart that cannot be leaves what runs alone", async (t) => {
  const space = new ServerSpace(t, "listen");
  const pid = await space.started();
  const refused = await space.qemu("restart --memory 3");
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /--memory must be whole MiB/);
  assert.ok(runs(pid));
  await space.qemu("stop");
});

test("a restart whose paths or program cannot be used leaves what runs alone", async (t) => {
  const space = new ServerSpace(t, "listen");
  const pid = await space.started();
  space.file("file", "precious");
  const refused: readonly (readonly [words: string, code: number, says: RegExp])[] = [
    ["--log none/log", 2, /there is no folder .*none; make it first: mkdir -p/],
    ["--log file", 2, /it is a file and not a log of ours/],
    ["--pid-file file/pid", 2, /file is a file and not a folder/],
    ["--pid-file file", 2, /it is not a pid file of ours/],
    ["--kind block --image none.img", 2, /none.img: .*there is no such file; make it first: trunc/],
  ];
  for (const [words, code, says] of refused) {
    const result = await space.qemu(`restart ${words}`);
    assert.match(result.stderr, says);
    assert.equal(result.code, code);
  }
  const missing = await space.qemu("restart", { env: { QEMU: "/nowhere/qemu" } });
  assert.match(missing.stderr, /the program \/nowhere\/qemu was not found/);
  assert.equal(missing.code, 4);
  assert.ok(runs(pid), "the server was stopped");
  await space.qemu("stop");
});

test("options win over variables, and the variables' arguments come before those after --", async (t) => {
  const space = new ServerSpace(t, "listen");
  const env = { MEMORY_SIZE: "16M", QEMU_EXTRA_ARGS: "-name 'a b'" };
  await space.qemu("start -- -last", { env });
  assert.match((await space.status()).commandLine ?? "", / -m 16M .* -name 'a b' -last$/);
  await space.qemu("stop");
  await space.qemu("start --memory 8M", { env });
  assert.match((await space.status()).commandLine ?? "", / -m 8M /);
  await space.qemu("stop");
  const bad = await space.qemu("start", { env: { MEMORY_SIZE: "much" } });
  assert.equal(bad.code, 2);
  assert.match(bad.stderr, /MEMORY_SIZE: .* is not a size/);
});

test("arguments without -- in front are refused: QEMU would take them for disks", async (t) => {
  const space = new ServerSpace(t, "listen");
  const { code, stderr } = await space.qemu("start block");
  assert.equal(code, 2);
  assert.match(stderr, /unexpected argument 'block'/);
  space.assertNothingLeft();
});

test("a program that fails is reported with what it printed, and nothing stays", async (t) => {
  const space = new ServerSpace(t, "fail");
  const { code, stderr } = await space.qemu("start");
  assert.equal(code, 1);
  assert.match(
    stderr,
    /ended \(exit code 3\) before it listened .*\n.*\n {2}fake: cannot do that\n/,
  );
  space.assertNothingLeft();
  assert.equal(existsSync(space.log), false);
});

test("a program that never listens is ended at the time-out", async (t) => {
  const space = new ServerSpace(t, "never-listen");
  const { code, stderr } = await space.qemu("start --start-timeout 300ms");
  assert.equal(code, 1);
  assert.match(stderr, /Timeout waiting for vhost-user socket .*: not listening after 300 ms/);
  space.assertNothingLeft();
});

test("a server that ignores SIGTERM is ended by SIGKILL; an interrupted stop finishes that first", async (t) => {
  const space = new ServerSpace(t, "stubborn");
  await space.started();
  const stop = space.startQemu("stop");
  await until(() => readFileSync(space.log, "utf8").includes("not now"));
  const { code, stdout } = await stop.stop("SIGINT");
  assert.equal(code, 130);
  assert.match(stdout, /\(by SIGKILL, it did not end by SIGTERM\)/);
  space.assertNothingLeft();
});

test("a server that was killed from outside: status says so, start clears and starts again", async (t) => {
  const space = new ServerSpace(t, "listen");
  const pid = await space.started();
  process.kill(pid, "SIGKILL");
  await until(() => !runs(pid));
  const status = await space.qemu("status");
  assert.equal(status.code, 1);
  assert.match(status.stdout, /^not running/);
  assert.match(
    status.stderr,
    new RegExp(`pid ${pid} ended without qemu stop; "qemu start" removes its remains`),
  );
  const start = await space.qemu("start");
  assert.match(start.stderr, new RegExp(`cleared what pid ${pid} left: `));
  assert.match(start.stdout, /^started: /);
  process.kill((await space.status()).pid ?? 0, "SIGKILL");
  const stop = await space.qemu("stop");
  assert.equal(stop.code, 0);
  space.assertNothingLeft();
});

test("a pid that now belongs to another program is not signalled", async (t) => {
  const space = new ServerSpace(t, "listen");
  const pid = await space.started();
  process.kill(pid, "SIGKILL");
  await until(() => !runs(pid));
  const other = bystander(t);
  space.changeRecord((record) => {
    assert.ok(record.process);
    return { ...record, process: { ...record.process, pid: other } };
  });
  const status = await space.qemu("status");
  assert.equal(status.code, 1);
  const stop = await space.qemu("stop");
  assert.match(stop.stdout, /^it did not run any more/);
  assert.ok(runs(other), "the bystander was killed");
  space.assertNothingLeft();
});

test("a process of another boot is not signalled, even if pid and start time are the same", async (t) => {
  const space = new ServerSpace(t, "listen");
  const pid = await space.started();
  const before = space.record();
  space.changeRecord((record) => {
    assert.ok(record.process);
    const bootId = "00000000-0000-0000-0000-000000000000";
    return { ...record, process: { ...record.process, bootId } };
  });
  assert.equal((await space.status()).running, false);
  await space.qemu("stop");
  assert.ok(runs(pid), "it was killed");
  assert.ok(before.process);
  process.kill(pid, "SIGKILL");
  await until(() => !runs(pid));
});

test("a stale pid file of ours is replaced, with a note", async (t) => {
  const space = new ServerSpace(t, "listen");
  space.file("pid", "4194304\n12345 00000000-0000-0000-0000-000000000000\n");
  const start = await space.qemu("start");
  assert.match(start.stderr, /replaced, it was left by pid 4194304, which is gone/);
  assert.match(start.stdout, /^started/);
  await space.qemu("stop");
  space.assertNothingLeft();
});

test("a pid file that only names a pid is not ours: nothing is signalled or replaced", async (t) => {
  const space = new ServerSpace(t, "listen");
  const other = bystander(t);
  space.file("pid", `${other}\n`);
  for (const verb of ["start", "restart"]) {
    const { code, stderr } = await space.qemu(verb);
    assert.equal(code, 2);
    assert.match(stderr, /not a pid file of ours .*remove it yourself/);
  }
  const stop = await space.qemu("stop");
  assert.match(stop.stderr, /not a pid file of ours/);
  assert.ok(runs(other));
  assert.equal(readFileSync(space.pidFile, "utf8"), `${other}\n`);
  rmSync(space.pidFile);
  space.assertNothingLeft();
});

test("a half-written record is reported by every verb, and nothing is done on account of it", async (t) => {
  const space = new ServerSpace(t, "listen");
  const pid = await space.started();
  const whole = readFileSync(space.recordFile, "utf8");
  writeFileSync(space.recordFile, whole.slice(0, whole.length / 2));
  for (const verb of ["start", "status", "stop", "restart"]) {
    const { code, stderr } = await space.qemu(verb);
    assert.equal(code, 4, verb);
    assert.match(
      stderr,
      /the record .* is damaged \(not whole JSON\); nothing was .*: rm \//,
      verb,
    );
  }
  assert.ok(runs(pid));
  assert.ok(existsSync(space.socket));
  writeFileSync(space.recordFile, whole);
  await space.qemu("stop");
  space.assertNothingLeft();
});

const taken: Readonly<Record<string, (space: ServerSpace, path: string) => RegExp>> = {
  "a symlink": (space, path) => {
    symlinkSync(space.file("target", "precious"), path);
    return /symbolic link; it was left alone/;
  },
  "a dangling symlink": (space, path) => {
    symlinkSync(space.path("nowhere"), path);
    return /symbolic link; it was left alone/;
  },
  "another user's file": (_space, path) => {
    writeFileSync(path, "precious");
    return /left alone; /;
  },
};
for (const [name, make] of Object.entries(taken)) {
  for (const which of ["socket", "pidFile", "log"] as const) {
    test(`${name} at the path of the ${which} is refused and stays`, async (t) => {
      const space = new ServerSpace(t, "listen");
      const expected = make(space, space[which]);
      const before = lstatSync(space[which]).ino;
      const { code, stderr } = await space.qemu("start");
      assert.equal(code, 2, stderr);
      assert.match(stderr, expected);
      assert.equal(lstatSync(space[which]).ino, before);
      if (name === "a symlink")
        assert.equal(readFileSync(space.path("target"), "utf8"), "precious");
      assert.equal(existsSync(space.path("nowhere")), false);
      rmSync(space[which]);
      space.assertNothingLeft();
    });
  }
}

test(
  "another user's file at one of the paths is refused and stays",
  { skip: needsRoot() },
  async (t) => {
    const space = new ServerSpace(t, "listen");
    for (const path of [space.socket, space.pidFile, space.log]) {
      writeFileSync(path, "");
      chownSync(path, 65534, 65534);
      const { code, stderr } = await space.qemu("start");
      assert.equal(code, 2);
      assert.match(stderr, /of another user \(uid 65534\); it was left alone; choose another path/);
      assert.ok(existsSync(path));
      rmSync(path);
    }
    space.assertNothingLeft();
  },
);

test("a socket that another process listens on is left alone", async (t) => {
  const space = new ServerSpace(t, "listen");
  const server = createServer().listen(space.socket);
  await once(server, "listening");
  const { code, stderr } = await space.qemu("start");
  const stop = await space.qemu("stop");
  server.close();
  await once(server, "close");
  assert.equal(code, 2);
  assert.match(stderr, /a program listens on it: stop that program, or choose another path/);
  assert.match(stop.stdout, /^not running/);
});

test("a socket that replaced ours is not removed", async (t) => {
  const space = new ServerSpace(t, "listen");
  await space.started();
  rmSync(space.socket);
  space.file("s", "precious");
  const stop = await space.qemu("stop");
  assert.match(stop.stdout, /left alone: .*\/s: it is no longer the socket that we made/);
  assert.equal(readFileSync(space.socket, "utf8"), "precious");
});

test("without QEMU start says how to install it, and exits with 4", async (t) => {
  const space = new ServerSpace(t);
  mkdirSync(space.path("empty"));
  const { code, stderr } = await space.qemu("start", { env: { PATH: space.path("empty") } });
  assert.equal(code, 4);
  assert.match(stderr, /qemu-system-x86_64 not found; to install it:\n/);
  assert.match(stderr, /Debian\/Ubuntu: sudo apt-get install -y qemu-system-x86\n/);
  assert.match(stderr, /Fedora: sudo dnf install -y qemu-system-x86-core\n/);
  assert.match(stderr, /CentOS: sudo dnf install -y qemu-kvm\n/);
  space.assertNothingLeft();
});

test(
  "without a permission on the socket's folder start says so, and exits with 4",
  { skip: needsUnprivilegedUser() },
  async (t) => {
    const space = new ServerSpace(t, "listen");
    chmodSync(space.folder, 0o755);
    chownSync(space.path("run"), 65534, 65534);
    const { code, stderr } = await space.qemu("start", { wrapper: unprivilegedUser });
    assert.equal(code, 4, stderr);
    assert.match(
      stderr,
      /no permission to make the socket in .* \(EACCES\); choose another path with --socket/,
    );
    chownSync(space.path("run"), 0, 0);
    space.assertNothingLeft();
  },
);

for (const where of ["log", "pid file", "ledger"] as const) {
  test(
    `no space left for the ${where}: start says so, and leaves nothing`,
    { skip: needsRoot() },
    async (t) => {
      const space = new ServerSpace(t, "listen");
      const full = space.path("full");
      mkdirSync(full);
      // A file system of three pages, full, that only the command sees.
      const script = `mount -t tmpfs -o size=12k,mode=700 none "$0" && { head -c 1M /dev/zero >"$0/fill" 2>/dev/null; true; } && exec "$@"`;
      const paths = { log: "--log", "pid file": "--pid-file", ledger: "--start-timeout" };
      const value = where === "ledger" ? "5s" : `${full}/x`;
      const { code, stderr } = await space.qemu(`start ${paths[where]} ${value}`, {
        wrapper: ["unshare", "-m", "sh", "-c", script, full],
        ...(where === "ledger" ? { env: { XDG_RUNTIME_DIR: full } } : {}),
      });
      assert.equal(code, 4, stderr);
      assert.match(
        stderr,
        /no space left for the .* \(ENOSPC\); make room \(df -h .*\), or choose another/,
      );
      space.assertNothingLeft();
      assert.equal(existsSync(space.log), false);
    },
  );
}

/** Instants of a start, by what can be seen of it. */
const instants: Readonly<Record<string, (space: ServerSpace) => boolean>> = {
  "when its record exists": (space) => space.hasRecord,
  "when the pid file exists": (space) => existsSync(space.pidFile),
  "when the program began": (space) => logOf(space).includes("the program began"),
};
for (const [name, reached] of Object.entries(instants)) {
  for (const signal of ["SIGINT", "SIGTERM", "SIGKILL"] as const) {
    test(`a start that gets ${signal} ${name} leaves nothing`, async (t) => {
      const space = new ServerSpace(t, "never-listen");
      const start = space.startQemu("start --start-timeout 60s");
      await until(() => reached(space));
      const { code } = await start.stop(signal);
      assert.equal(code, { SIGINT: 130, SIGTERM: 143, SIGKILL: null }[signal]);
      // Nothing of ours can run then: the next command clears.
      if (signal === "SIGKILL") assert.equal((await space.clean()).code, 0);
      space.assertNothingLeft();
    });
  }
}

test("a start that gets SIGKILL when it listens is cleared with its socket", async (t) => {
  const space = new ServerSpace(t, "listen");
  const start = space.startQemu("start");
  await until(() => existsSync(space.socket));
  await start.stop("SIGKILL");
  assert.equal((await space.clean()).code, 0);
  space.assertNothingLeft();
});

for (const signal of ["SIGINT", "SIGTERM", "SIGKILL"] as const) {
  test(`a start that gets ${signal} between bind and listen leaves no socket`, async (t) => {
    const space = new ServerSpace(t, "bind");
    const start = space.startQemu("start --start-timeout 60s");
    await until(() => existsSync(space.socket));
    await start.stop(signal);
    if (signal === "SIGKILL") assert.equal((await space.clean()).code, 0);
    space.assertNothingLeft();
  });
}

test("a start that waits for another one can be interrupted", async (t) => {
  const space = new ServerSpace(t, "never-listen");
  const first = space.startQemu("start --start-timeout 60s");
  await until(() => logOf(space).includes("the program began"));
  const second = space.startQemu("start --start-timeout 60s");
  await second.printed(/another command is at work on .*: pid \d+ \(node\); waiting/);
  assert.equal((await second.stop("SIGINT")).code, 130);
  assert.equal((await first.stop("SIGINT")).code, 130);
  space.assertNothingLeft();
});

function logOf(space: ServerSpace): string {
  return existsSync(space.log) ? readFileSync(space.log, "utf8") : "";
}
