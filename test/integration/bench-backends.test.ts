import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { findProgram } from "../../src/lab/programs/index.ts";
import type { BenchReport } from "../../src/lab/results/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { parseDocument } from "../support/published-schemas.ts";
import { Workspace } from "./support/index.ts";

guardLeaks();

const COMMAND = `${process.execPath} ${fileURLToPath(new URL("../../../bin/vhost-user.js", import.meta.url))}`;
const SHORT = ["--count", "500", "--warmup", "10ms"];

function reportOf(text: string): BenchReport {
  return parseDocument("bench", text);
}

test("bench block starts a back-end by --exec and ends it afterwards", async (t) => {
  const space = new Workspace(t);
  const exec = `${COMMAND} serve block --size 1M --socket {socket}`;
  const { code, stdout, stderr } = await space.run(
    ["bench", "block", "--exec", exec, "--json", "--verify", "--rw", "mix"].concat(SHORT),
  );
  assert.equal(code, 0, stderr);
  const { requests, target } = reportOf(stdout);
  assert.ok(requests >= 500);
  assert.equal(target, exec);
  // The workspace looks for processes and files that are left.
});

test(
  "bench block measures a qemu-storage-daemon that it starts",
  { skip: findProgram("qemu-storage-daemon") === undefined && "qemu-storage-daemon is missing" },
  async (t) => {
    const space = new Workspace(t);
    const node = "driver=null-co,node-name=n0,size=67108864,read-zeroes=on";
    const out = "type=vhost-user-blk,id=e0,node-name=n0,addr.type=unix,addr.path={socket}";
    const exec = `qemu-storage-daemon --blockdev ${node} --export ${out}`;
    const { code, stdout, stderr } = await space.run(
      ["bench", "block", "--exec", exec, "--json"].concat(SHORT),
    );
    assert.equal(code, 0, stderr);
    assert.ok((reportOf(stdout).iops ?? 0) > 0);
  },
);

test("the output of a back-end that does not come up, or fails, is shown", async (t) => {
  const space = new Workspace(t);
  const dead = await space.run([
    "bench",
    "connect",
    "--exec",
    "sh -c 'echo so sad; exit 3' {socket}",
  ]);
  assert.equal(dead.code, 3, dead.stderr);
  assert.match(dead.stderr, /sh exited with code 3 before it listened[^]*so sad/);
  const exec = `${COMMAND} serve block --size 1M --socket {socket} --fault no-reply@GET_CONFIG`;
  const mute = await space.run(["bench", "block", "--exec", exec, "--timeout", "300ms"]);
  assert.equal(mute.code, 3, mute.stderr);
  assert.match(mute.stderr, /GET_CONFIG[^]*still runs[^]*front-end connected/);
});

for (const [words, message] of [
  [["block", "--exec", "true"], /the command has no \{socket\}/],
  [["block"], /a back-end is missing: name its SOCKET, or the command/],
  [["net", "tx", "x.sock", "--exec", "true"], /the command has no \{socket\}/],
  [
    ["block", "x.sock", "--runs", "2", "--baseline", "b.json"],
    /--baseline cannot be combined with/,
  ],
  [["block", "--exec", "true {socket}", "--listen"], /--exec and --listen cannot be combined/],
  [["backend", "block", "--load", "true"], /the command has no \{socket\}/],
  [["compare", "--rows", "no such row"], /see --list for the names/],
] as const) {
  test(`bench ${words.join(" ")} is a usage error`, async (t) => {
    const { code, stderr } = await new Workspace(t).run(["bench", ...words]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, message);
  });
}

for (const workers of [[], ["--workers"]]) {
  test(`bench backend block counts what a load has done ${workers.join("")}`, async (t) => {
    const space = new Workspace(t);
    const load = `${COMMAND} bench block {socket} --queues 2 --count 3000 --warmup 1ms -q`;
    const words = `bench backend block --queues 2 --null --runtime 60s --warmup 1ms --json`.split(
      " ",
    );
    const { code, stdout, stderr } = await space.run([...words, ...workers, "--load", load]);
    assert.equal(code, 0, stderr);
    const counted = reportOf(stdout);
    assert.equal(counted.bench, "backend block");
    assert.ok(counted.requests > 0 && (counted.iops ?? 0) > 0, stdout);
    assert.ok(counted.warnings.some((warning) => warning.startsWith("the load ended before")));
  });
}

test("bench backend net counts frames, and ends the load when it has measured", async (t) => {
  const space = new Workspace(t);
  const load = `${COMMAND} bench net tx {socket} --runtime 60s`;
  const words = "bench backend net --workers --runtime 300ms --warmup 50ms --json".split(" ");
  const { code, stdout, stderr } = await space.run([...words, "--load", load]);
  assert.equal(code, 0, stderr);
  const { framesPerSecond = 0, bytesPerSecond = 0 } = reportOf(stdout);
  assert.ok(framesPerSecond > 100);
  assert.equal(Math.round(bytesPerSecond / framesPerSecond), 64);
});

test("bench backend waits for a front-end that another program starts", async (t) => {
  const space = new Workspace(t);
  const socket = space.path("b.sock");
  const words = "bench backend block --runtime 200ms --warmup 1ms --json --socket".split(" ");
  const measured = space.start([...words, socket]);
  await measured.printed(/waiting for a front-end/);
  const load = space.start(["bench", "block", socket, "--runtime", "60s"]);
  const { code, stdout, stderr } = await measured.result;
  assert.equal(code, 0, stderr);
  assert.ok(reportOf(stdout).requests > 0);
  assert.equal(existsSync(socket), false);
  assert.equal((await load.result).code, 1);
});

test("bench backend fails with a load that fails", async (t) => {
  const space = new Workspace(t);
  const load = "sh -c 'echo cannot; exit 7' {socket}";
  const { code, stderr } = await space.run(["bench", "backend", "block", "--load", load]);
  assert.equal(code, 1);
  assert.match(stderr, /sh exited with code 7[^]*cannot/);
});

test("bench compare lists its rows, and names what is not installed", async (t) => {
  const space = new Workspace(t);
  const { stdout } = await space.run(["bench", "compare", "--list"]);
  assert.ok(stdout.trim().split("\n").length >= 11, stdout);
  const env = { VHOST_USER_PEERS_ROOT: space.path("nothing") };
  const words = ["bench", "compare", "--rows", "hybrid", "--runs", "1", "--runtime", "100ms"];
  const bare = await space.run(words, { env });
  assert.equal(bare.code, 4, bare.stderr);
  assert.match(bare.stdout, /depth 1: left out, .*qemu-storage-daemon is missing/);
  assert.match(bare.stderr, /no program to compare with is installed/);
});

test("bench compare measures against a C program, and keeps every sample", async (t) => {
  const space = new Workspace(t);
  const words = [
    "bench",
    "compare",
    "--rows",
    "C program",
    "--runs",
    "2",
    "--runtime",
    "300ms",
    "--json",
  ];
  const { code, stdout, stderr } = await space.run(words);
  if (code === 4 && process.env["CI"] !== "true") return t.skip(stderr);
  assert.equal(code, 0, stderr);
  const { rows } = parseDocument<{
    rows: { cells: { ours: number[]; theirs: number[]; ratios: number[] }[] }[];
  }>("bench-compare", stdout);
  const [cell] = rows[0]?.cells ?? [];
  assert.equal(rows.length, 1);
  assert.deepEqual([cell?.ours.length, cell?.theirs.length, cell?.ratios.length], [2, 2, 2]);
  assert.ok(
    cell?.ratios.every((ratio, i) => ratio === (cell.ours[i] ?? 0) / (cell.theirs[i] ?? 1)),
  );
});
