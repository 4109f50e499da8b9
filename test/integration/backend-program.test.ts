import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { BLOCK_DRIVER_FEATURES, BlockDriver } from "../../src/endpoints/devices/block/index.ts";
import { Client } from "../../src/endpoints/frontend/index.ts";
import { UnixListener, UnixSocket } from "../../src/core/os/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { packageRoot } from "../support/package-root.ts";
import { Workspace } from "./support/index.ts";

guardLeaks();

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program as a management layer starts it: by its name, with one descriptor as number 3. */
function start(
  t: TestContext,
  space: Workspace,
  name: string,
  args: readonly string[],
  fd?: number,
): { child: ChildProcess; ended: Promise<Ended> } {
  const program = space.path(name);
  symlinkSync(join(packageRoot, `bin/${name}.js`), program);
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ["ignore", "pipe", "pipe", ...(fd === undefined ? [] : [fd])],
    cwd: packageRoot,
  });
  t.after(() => child.kill("SIGKILL"));
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = once(child, "close").then(([code]) => ({ code, stdout, stderr }));
  return { child, ended };
}

async function readFirst(client: Client): Promise<string> {
  try {
    const driver = await BlockDriver.start(client);
    return Buffer.from(await driver.read(0, 512)).toString("latin1", 0, 5);
  } finally {
    await client.close();
  }
}

const options = { deviceFeatures: BLOCK_DRIVER_FEATURES, memory: { size: 8 << 20 } };

test("programs print their capabilities, whatever else is on their command line", async (t) => {
  const space = new Workspace(t);
  for (const [name, type, features] of [
    ["vhost-user-block", "block", ["blk-file", "read-only"]],
    ["vhost-user-net", "net", []],
    ["vhost-user-fs", "fs", ["shared-dir"]],
  ] as const) {
    const args = ["--nonsense", "--fd", "x", "--print-capabilities", "word"];
    const { code, stdout } = await start(t, space, name, args).ended;
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(stdout), { type, features });
  }
});

test("--socket-path: a socket of its own, until SIGTERM", async (t) => {
  const space = new Workspace(t);
  const image = space.file("disk.img", Buffer.concat([Buffer.from("hello"), Buffer.alloc(65_531)]));
  const socket = space.path("s");
  const args = [`--socket-path=${socket}`, `--blk-file=${image}`, "--read-only"];
  const { child, ended } = start(t, space, "vhost-user-block", args);
  const stderr = child.stderr;
  assert.ok(stderr);
  await once(stderr, "data");
  assert.equal(await readFirst(await Client.connect(socket, options)), "hello");
  child.kill("SIGTERM");
  assert.equal((await ended).code, 0);
});

test("--fd: a socket that listens, and stays when the program ends", async (t) => {
  const space = new Workspace(t);
  const image = space.file("disk.img", Buffer.concat([Buffer.from("hello"), Buffer.alloc(65_531)]));
  const socket = space.path("s");
  using listener = UnixListener.listen(socket);
  const args = ["--fd=3", `--blk-file=${image}`];
  const { child, ended } = start(t, space, "vhost-user-block", args, listener.fd);
  for (let i = 0; i < 2; i += 1)
    assert.equal(
      await readFirst(await Client.connect(socket, { ...options, timeoutMs: 20_000 })),
      "hello",
    );
  child.kill("SIGTERM");
  assert.equal((await ended).code, 0);
  assert.ok(!listener.closed);
});

test("--fd: a socket that is connected; the program ends with its session", async (t) => {
  const space = new Workspace(t);
  const image = space.file("disk.img", Buffer.concat([Buffer.from("hello"), Buffer.alloc(65_531)]));
  const [ours, theirs] = UnixSocket.pair();
  const args = ["--fd=3", `--blk-file=${image}`];
  const { ended } = start(t, space, "vhost-user-block", args, theirs.fd);
  theirs.close();
  const client = await Client.over(ours, { ...options, timeoutMs: 20_000 });
  assert.equal(await readFirst(client), "hello");
  assert.equal((await ended).code, 0);
});

test("a socket or an image that cannot be served is reported at once", async (t) => {
  const space = new Workspace(t);
  const image = space.file("disk.img", Buffer.alloc(65_536));
  for (const [args, says] of [
    [[`--blk-file=${image}`], /no socket to serve: give --socket-path PATH or --fd NUMBER/],
    [["--fd=3", "--socket-path=x"], /--socket-path and --fd cannot be combined/],
    [["--socket-path=x"], /--blk-file PATH is missing/],
    [["--fd=0", `--blk-file=${image}`], /is not a listening or connected socket/],
    [["--fd=0", "--sirus"], /vhost-user-block has no --sirus; see --help/],
  ] as const) {
    const inner = new Workspace(t);
    const { code, stderr } = await start(t, inner, "vhost-user-block", args).ended;
    assert.equal(code, 2, stderr);
    assert.match(stderr, says);
  }
});

test("the registration file of the documentation is what a management layer reads", () => {
  const page = readFileSync(join(packageRoot, "docs/guides/service.md"), "utf8");
  const [, json = ""] = /```json\n([^]*?)```/.exec(page) ?? [];
  const { type, binary, description } = JSON.parse(json) as Record<string, string>;
  assert.equal(type, "block");
  assert.match(binary ?? "", /^\/.*\/vhost-user-block$/);
  assert.ok(description);
});
