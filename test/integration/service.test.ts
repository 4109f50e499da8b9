import assert from "node:assert/strict";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { test } from "node:test";
import { Client } from "../../src/endpoints/frontend/index.ts";
import { UnixListener, UnixSocket } from "../../src/core/os/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { notifications, type Running, Workspace } from "./support/index.ts";

guardLeaks();

/** As a service manager starts a program: descriptors from 3 on, with variables that count them. */
const activated = (count: number): readonly string[] => [
  "sh",
  "-c",
  `LISTEN_PID=$$ LISTEN_FDS=${count} exec "$0" "$@"`,
];

const client = { memory: { size: 1 << 20 }, timeoutMs: 20_000 };

/** A front-end can negotiate there. */
async function expectServed(path: string): Promise<void> {
  await (await Client.connect(path, client)).close();
}

/** The back-end program is `vhost-user-block`. */
const types: Readonly<Record<string, readonly string[]>> = {
  block: ["serve", "block", "--size", "1M"],
  net: ["serve", "net", "--traffic", "sink"],
  fs: ["serve", "fs", "--dir", "."],
  program: ["backend", "block", "--blk-file", "disk.img"],
};

test("sockets of a service manager are served by every type, and stay; the manager is notified", async (t) => {
  const space = new Workspace(t);
  space.file("disk.img", new Uint8Array(1 << 20));
  for (const form of ["path", "abstract"] as const) {
    const name = `${space.path("notify")}-${form}`;
    const address = form === "path" ? name : `@${name}`;
    const manager = await notifications(t, address);
    const running = Object.entries(types).map(([type, words]) => {
      const path = space.path(`${form}-${type}`);
      const listener = UnixListener.listen(path);
      t.after(() => listener.close());
      const server = space.start(words, {
        wrapper: activated(1),
        env: { NOTIFY_SOCKET: address },
        fds: [listener.fd],
      });
      return { path, server };
    });
    for (const { path } of running) await expectServed(path);
    await manager.received("READY=1", running.length);
    for (const { path, server } of running) {
      const { code, stderr } = await server.stop("SIGTERM");
      assert.equal(code, 0, stderr);
      assert.match(stderr, /^serving 1 socket of the service manager \(/);
      assert.ok(existsSync(path));
    }
    await manager.received("STOPPING=1", running.length);
  }
});

test("--fd serves an inherited socket with every type, listening or connected", async (t) => {
  const space = new Workspace(t);
  space.file("disk.img", new Uint8Array(1 << 20));
  const running: { path: string; server: Running }[] = [];
  for (const [type, words] of Object.entries(types)) {
    const listener = UnixListener.listen(space.path(type));
    t.after(() => listener.close());
    const server = space.start([...words, "--fd", "3"], { fds: [listener.fd] });
    running.push({ path: listener.path, server });
  }
  for (const { path, server } of running) {
    await expectServed(path);
    assert.equal((await server.stop()).code, 0);
  }
  const [ours, theirs] = UnixSocket.pair();
  const { result } = space.start(["serve", "net", "--fd", "3"], { fds: [theirs.fd] });
  theirs.close();
  await (await Client.over(ours, client)).close();
  assert.equal((await result).code, 0, "it ends with its session");
});

test("all sockets that are passed are served, and one that is none ends the command", async (t) => {
  const space = new Workspace(t);
  using first = UnixListener.listen(space.path("first"));
  using second = UnixListener.listen(space.path("second"));
  const serve = ["serve", "block", "--size", "1M"];
  const server = space.start(serve, { wrapper: activated(2), fds: [first.fd, second.fd] });
  for (const { path } of [first, second]) await expectServed(path);
  assert.equal((await server.stop()).code, 0);
  const file = openSync("/dev/null", "r");
  t.after(() => closeSync(file));
  const options = { wrapper: activated(2), fds: [first.fd, file] };
  const { code, stderr } = await space.run(serve, options);
  assert.match(stderr, /descriptor \d+ is not a socket/);
  assert.equal(code, 2);
});

test("what cannot be combined is refused, and sockets for another process are named", async (t) => {
  const space = new Workspace(t);
  using listener = UnixListener.listen(space.path("passed"));
  const passed = { wrapper: activated(1), fds: [listener.fd] };
  const cases = [
    [
      "--socket s",
      passed,
      /--socket and the sockets of the service manager \(LISTEN_FDS=1\) cannot/,
    ],
    ["--socket s --fd 3", {}, /--socket and --fd cannot be combined/],
    ["--fd 0 --socket-mode 0660", {}, /--socket-mode and --fd cannot be combined/],
    ["--connect s --socket-group 0", {}, /--socket-group and --connect cannot be combined/],
    ["--socket s --socket-mode 66x", {}, /"66x" is not an octal mode such as 0660/],
    ["--socket s --socket-group no-such-group", {}, /"no-such-group" is not the name of a group/],
    ["", { env: { LISTEN_PID: "1", LISTEN_FDS: "1" } }, /LISTEN_PID=1 passes sockets to another/],
    ["", { ...passed, wrapper: activated(Infinity) }, /LISTEN_FDS=Infinity is not a number/],
    ["", { ...passed, wrapper: activated(9) }, /LISTEN_FDS=9 but descriptor \d+ is not a socket/],
  ] as const;
  await Promise.all(
    cases.map(async ([words, options, says]) => {
      const args = words.split(" ").filter((word) => word !== "");
      const { code, stderr } = await space.run(["serve", "net", ...args], options);
      assert.match(stderr, says);
      assert.equal(code, 2, stderr);
      assert.equal(existsSync(space.path("s")), false);
    }),
  );
});

test("--socket-mode and --socket-group are those of the socket, whatever the umask", async (t) => {
  const space = new Workspace(t);
  const group = process.getuid?.() === 0 ? 65_534 : (process.getgid?.() ?? 0);
  const args = ["--socket-mode", "0660", "--socket-group", String(group), "--size", "1M"];
  for (const umask of ["077", "000"]) {
    const wrapper = ["sh", "-c", `umask ${umask}; exec "$0" "$@"`];
    const server = space.start(["serve", "block", "--socket", "s", ...args], { wrapper });
    await server.printed(/listening on/);
    const { mode, gid } = statSync(space.path("s"));
    assert.deepEqual([(mode & 0o7777).toString(8), gid], ["660", group], `umask ${umask}`);
    assert.equal((await server.stop()).code, 0);
  }
});

test("--pid-file names the process while it serves; only a stale one is replaced", async (t) => {
  const space = new Workspace(t);
  const pidFile = space.path("pid");
  const args = ["--size", "1M", "--pid-file", pidFile];
  // Above the largest pid: a process that is gone.
  writeFileSync(pidFile, "4194305\n");
  const { server } = await space.serve(args);
  assert.equal(readFileSync(pidFile, "utf8"), `${server.pid}\n`);
  const second = await space.run(["serve", "block", "--socket", "other", ...args]);
  assert.match(second.stderr, new RegExp(`pid: process ${server.pid}, which it names, runs`));
  assert.equal(second.code, 2);
  assert.equal(existsSync(space.path("other")), false);
  assert.equal((await server.stop()).code, 0);
  assert.equal(existsSync(pidFile), false);

  writeFileSync(pidFile, "precious");
  mkdirSync(space.path("folder"));
  for (const [path, says] of [
    [pidFile, /exists and does not hold a pid/],
    [space.path("folder"), /pid file to write|does not hold a pid/],
    [space.path("missing/pid"), /there is no folder .*; make it first: mkdir -p /],
  ] as const) {
    const refused = await space.run(["serve", "net", "--socket", "other", "--pid-file", path]);
    assert.match(refused.stderr, says);
    assert.equal(refused.code, 2);
  }
  assert.equal(readFileSync(pidFile, "utf8"), "precious");
});

test("--log-format json: every line is an object, the last error as well", async (t) => {
  const space = new Workspace(t);
  const { socket, server } = await space.serve(["--log-format", "json", "-v", "--size", "1M"]);
  await expectServed(socket);
  await server.printed(/front-end left/);
  const { stderr, code } = await server.stop("SIGINT");
  assert.equal(code, 130);
  const lines = stderr
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { time: string; level: string; message: string });
  for (const { time } of lines) assert.ok(Math.abs(Date.parse(time) - Date.now()) < 3_600_000);
  const found = (level: string, message: RegExp): boolean =>
    lines.some((line) => line.level === level && message.test(line.message));
  assert.ok(found("info", /^listening on /));
  assert.ok(found("info", /^front-end connected$/));
  assert.ok(found("debug", /VHOST_USER_GET_FEATURES/));
  assert.ok(found("error", /interrupted by SIGINT$/));
});
