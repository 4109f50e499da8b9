import assert from "node:assert/strict";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { EnvironmentError, PeerClosedError, TimeoutError } from "../../src/core/base/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { ManagedProcess } from "../../src/lab/programs/index.ts";

guardLeaks();

const shell = (script: string, options = {}): Promise<ManagedProcess> =>
  ManagedProcess.spawn("sh", ["-c", script], options);

test("keeps what a program prints on both streams and how it ended", async () => {
  await using peer = await shell("echo out; echo err >&2; exit 3");
  assert.deepEqual(await peer.exited, { code: 3, signal: null });
  assert.match(peer.output, /out\n/);
  assert.match(peer.output, /err\n/);
});

test("waits for output and hands the match back", async () => {
  await using peer = await shell("echo port 4711; exec sleep 60");
  const [, port] = await peer.waitForOutput(/port (\d+)\n/, { timeoutMs: 10_000 });
  assert.equal(port, "4711");
});

test("finds output only after the given position", async () => {
  await using peer = await shell('while read line; do echo "> $line"; done', { stdin: "pipe" });
  peer.write("one\n");
  await peer.waitForOutput(/> one\n/, { timeoutMs: 10_000 });
  const from = peer.outputPosition;
  peer.write("two\n");
  await peer.waitForOutput(/> \w+\n/, { timeoutMs: 10_000, from });
  assert.equal(peer.outputSince(from), "> two\n");
});

test("a wait for output ends at once, with the last lines, when the program does", async () => {
  await using peer = await shell("echo cannot do that >&2; exit 1");
  await assert.rejects(peer.waitForOutput(/ready/), (error) => {
    assert.ok(error instanceof PeerClosedError);
    assert.match(error.message, /^sh exited with code 1 before it printed \/ready\//);
    assert.match(error.message, /cannot do that/);
    return true;
  });
});

test("a wait for output honours its time-out and the caller's signal", async () => {
  await using peer = await shell("exec sleep 60");
  await assert.rejects(peer.waitForOutput(/never/, { timeoutMs: 1 }), TimeoutError);
  const reason = new Error("no longer wanted");
  await assert.rejects(peer.waitForOutput(/never/, { signal: AbortSignal.abort(reason) }), reason);
});

test("stops politely, and by force when that does not help", async () => {
  await using polite = await shell("exec sleep 60");
  assert.deepEqual(await polite.stop(), { code: null, signal: "SIGTERM" });
  await using stubborn = await shell("trap '' TERM; echo ready; while :; do read x; done", {
    stdin: "pipe",
  });
  await stubborn.waitForOutput(/ready/, { timeoutMs: 10_000 });
  assert.deepEqual(await stubborn.stop({ graceMs: 50 }), { code: null, signal: "SIGKILL" });
  assert.deepEqual(await stubborn.stop(), { code: null, signal: "SIGKILL" }, "idempotent");
});

test("a pipe that a grandchild keeps open does not hold up the end", async () => {
  await using peer = await shell("sleep 60 & echo $!; exit 0");
  assert.deepEqual(await peer.exited, { code: 0, signal: null });
  process.kill(Number(peer.output), "SIGKILL");
});

test("a missing program is an environment error", async () => {
  await assert.rejects(ManagedProcess.spawn("no-such-program", []), (error) => {
    assert.ok(error instanceof EnvironmentError);
    assert.match(error.message, /no-such-program was not found/);
    return true;
  });
});

test("a descriptor handed over arrives as number 3", async () => {
  const fd = openSync("/proc/self/status", "r");
  try {
    await using peer = await shell("head -n 1 <&3", { extraFds: [fd] });
    await peer.exited;
    assert.match(peer.output, /^Name:/);
  } finally {
    closeSync(fd);
  }
});

test("a child does not outlive us, even when we are killed", async () => {
  const module = new URL("../../src/lab/programs/index.js", import.meta.url).href;
  const code = `
    const { ManagedProcess } = await import(${JSON.stringify(module)});
    const child = await ManagedProcess.spawn("sleep", ["60"]);
    console.log(child.pid);
    setInterval(() => {}, 1000);
  `;
  const parent = spawn(process.execPath, ["--input-type=module", "-e", code], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(parent.stdout, "data")) as [Buffer];
  const pid = Number(line.toString());
  assert.match(readFileSync(`/proc/${pid}/comm`, "utf8"), /sleep/);
  parent.kill("SIGKILL");
  await once(parent, "exit");
  const deadline = performance.now() + 5000;
  // The kernel delivers the signal when the parent dies; being reaped may take a moment longer.
  while (existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(statusOf(pid))) {
    assert.ok(performance.now() < deadline, `process ${pid} still runs`);
    await new Promise((resolve) => setImmediate(resolve));
  }
});

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return "State: Z";
  }
}
