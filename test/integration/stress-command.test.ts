import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { findProgram } from "../../src/lab/programs/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { parseDocument } from "../support/published-schemas.ts";
import { Workspace } from "./support/index.ts";

guardLeaks();

const COMMAND = `${process.execPath} ${fileURLToPath(new URL("../../../bin/vhost-user.js", import.meta.url))}`;
/** The URL of a built entry point, as a program outside of the package imports it. */
const entry = (name: string): string =>
  JSON.stringify(new URL(`../../src/${name}.js`, import.meta.url).href);

interface StressResult {
  readonly partial: boolean;
  readonly endedBy?: string;
  readonly rounds: number;
  readonly clients: number;
  readonly requests: number;
  readonly target?: { readonly descriptors: number };
  readonly faults: readonly string[];
}

test("stress has clients, storms, kills and slow readers work on the built-in back-end", async (t) => {
  const space = new Workspace(t);
  const words = ["stress", "--rounds", "2", "--clients", "5", "--json"];
  const { code, stdout, stderr } = await space.run(words);
  assert.equal(code, 0, stderr);
  const result = parseDocument<StressResult>("stress", stdout);
  assert.deepEqual([result.rounds, result.requests, result.faults], [2, 2 * 5 * 16, []]);
  assert.equal(result.partial, false);
  assert.ok((result.target?.descriptors ?? 0) > 0);
});

test("stress fails on data that is not what was written, and says in which round", async (t) => {
  const space = new Workspace(t);
  const exec = `${COMMAND} serve block --size 1M --socket {socket} --fault corrupt-read`;
  const { code, stderr } = await space.run([
    "stress",
    "--rounds",
    "2",
    "--clients",
    "2",
    "--overwrite",
    "--exec",
    exec,
  ]);
  assert.equal(code, 1, stderr);
  assert.match(
    stderr,
    /round 1: clients with verified I\/O: expected 2, got 0: .* of a client's share/,
  );
});

test("stress finds a back-end whose descriptors become more and more", async (t) => {
  const space = new Workspace(t);
  const leaking = space.file(
    "leaking.mjs",
    `import { openSync } from "node:fs";
import { BackendServer } from ${entry("index")};
import { BlockDevice } from ${entry("public/devices/block")};
import { BlockStorage } from ${entry("public/storage")};
const storage = BlockStorage.memory(1 << 20);
await BackendServer.listen(process.argv[2], {
  device: () => new BlockDevice({ storage }),
  onSession: () => openSync("/dev/null"),
});
`,
  );
  const exec = `${process.execPath} ${leaking} {socket}`;
  const { code, stderr } = await space.run([
    "stress",
    "--rounds",
    "12",
    "--clients",
    "1",
    "--exec",
    exec,
    "--json",
  ]);
  assert.equal(code, 1, stderr);
  assert.match(stderr, /the back-end's descriptors grow: from \d+ to \d+/);
});

test("stress leaves a disk with data on it alone", async (t) => {
  const space = new Workspace(t);
  space.file("image", Buffer.alloc(1 << 20, 1));
  const { socket } = await space.serve(["--image", "image"]);
  const { code, stderr } = await space.run(["stress", socket, "--rounds", "1"]);
  assert.equal(code, 2, stderr);
  assert.match(stderr, /the disk is not blank: there is data at byte 0; .* --overwrite/);
});

test(
  "stress works on a qemu-storage-daemon, which serves one session at a time",
  { skip: findProgram("qemu-storage-daemon") === undefined && "qemu-storage-daemon is missing" },
  async (t) => {
    const space = new Workspace(t);
    const image = space.file("image", Buffer.alloc(1 << 20));
    const node = `driver=file,node-name=n0,filename=${image}`;
    const out =
      "type=vhost-user-blk,id=e0,node-name=n0,addr.type=unix,addr.path={socket},writable=on";
    const exec = `qemu-storage-daemon --blockdev ${node} --export ${out}`;
    const words = ["stress", "--rounds", "2", "--clients", "1", "--exec", exec, "--json"];
    const { code, stdout, stderr } = await space.run(words);
    assert.equal(code, 0, stderr);
    assert.equal(parseDocument<StressResult>("stress", stdout).rounds, 2);
  },
);

for (const json of [[], ["--json"]]) {
  test(`a signal has stress print what it has ${json.join("")}, and nothing is left of it`, async (t) => {
    const space = new Workspace(t);
    const running = space.start(["stress", "--runtime", "8h", "--clients", "2", ...json]);
    const deadline = performance.now() + 30_000;
    while (space.survivors().length < 3 && performance.now() < deadline)
      await new Promise((resolve) => setImmediate(resolve));
    const { code, stdout, stderr } = await running.stop("SIGINT");
    assert.equal(code, 130);
    assert.match(stderr, /vhost-user: interrupted by SIGINT\n$/);
    if (json.length === 0)
      return assert.match(stdout, /^partial result: interrupted by SIGINT\n\d+ s, \d+ rounds? of/);
    const { partial, endedBy, faults } = parseDocument<StressResult>("stress", stdout);
    assert.deepEqual([partial, endedBy, faults], [true, "interrupted by SIGINT", []]);
  });
}

test("stress fails on a back-end that never completes, after --io-timeout", async (t) => {
  const space = new Workspace(t);
  const exec = `${COMMAND} serve block --size 1M --socket {socket} --fault never-complete`;
  const words = ["stress", "--clients", "1", "--overwrite", "--io-timeout", "300ms", "--json"];
  const { code, stdout, stderr } = await space.run([...words, "--exec", exec]);
  assert.equal(code, 1, stderr);
  assert.match(stderr, /round 1: clients with verified I\/O: .*not completed within 300 ms/);
  const { partial, faults } = parseDocument<StressResult>("stress", stdout);
  assert.equal(partial, true);
  assert.match(faults[0] ?? "", /^round 1: /);
});
