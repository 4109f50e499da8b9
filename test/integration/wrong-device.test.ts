/** The target serves another device type than the command is for: noticed before any ring runs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { guardLeaks } from "../support/leak-guard.ts";
import { Workspace } from "./support/index.ts";

guardLeaks();

/** A network card with a configuration space, which a disk has as well. */
const CARD = ["--control-queue", "--queues", "2"];

/** The words behind `serve TYPE`. A file system is recognised by its configuration space alone. */
const wordsOf = (serves: Served, folder: string): string[] =>
  ({ net: CARD, block: [], fs: ["--dir", folder] })[serves];

type Served = "block" | "net" | "fs";

const wrong: readonly (readonly [serves: Served, command: string, wants: string])[] = [
  ["net", "io block id SOCKET", "block"],
  ["net", "io block verify SOCKET", "block"],
  ["net", "bench block SOCKET", "block"],
  ["net", "bench connect SOCKET", "block"],
  ["net", "stress SOCKET", "block"],
  ["net", "migrate SOCKET SOCKET", "block"],
  ["net", "io fs ls SOCKET", "fs"],
  ["block", "io fs ls SOCKET", "fs"],
  ["block", "io net ping SOCKET", "net"],
  ["block", "io net send SOCKET", "net"],
  ["block", "bench net tx SOCKET", "net"],
  ["fs", "io net ping SOCKET", "net"],
  ["fs", "io block id SOCKET", "block"],
  ["fs", "io rng read SOCKET", "rng"],
  ["fs", "bench net tx SOCKET", "net"],
  ["fs", "bench connect SOCKET", "block"],
];
for (const [serves, command, wants] of wrong) {
  test(`${command} on a ${serves} back-end ends with exit code 3`, async (t) => {
    const space = new Workspace(t);
    const { socket, server } = await space.serve(wordsOf(serves, space.folder), "s", serves);
    const { code, stdout, stderr } = await space.run(
      command.replaceAll("SOCKET", socket).split(" "),
    );
    assert.equal(stdout, "");
    assert.match(
      stderr,
      new RegExp(
        `^vhost-user: the back-end serves a ${serves} device and not a ${wants} device: it offers the virtio ` +
          "features 0x[0-9a-f]+ and protocol features 0x[0-9a-f]+; name the socket of a",
        "m",
      ),
    );
    assert.equal(code, 3);
    const { stderr: seen } = await server.stop();
    assert.doesNotMatch(seen, /ring \d/, "no ring was started");
  });
}

test("test perf on a network card fails each test and names the device", async (t) => {
  const space = new Workspace(t);
  const { socket } = await space.serve(CARD, "s", "net");
  const { code, stdout } = await space.run(["test", "perf", "-q", "--connections", "10", socket]);
  assert.equal(code, 1);
  for (const line of stdout.trimEnd().split("\n"))
    assert.match(line, /^✗ FAIL: .*: the back-end serves a net device and not a block device/);
});

test("conform --device with another type than the target's is wrong usage", async (t) => {
  const space = new Workspace(t);
  for (const [serves, device] of [
    ["block", "net"],
    ["net", "block"],
    ["net", "fs"],
    ["fs", "net"],
  ] as const) {
    const served = serves === "fs" ? wordsOf(serves, space.folder) : [];
    const { socket } = await space.serve(served, `${serves}-${device}`, serves);
    const words = ["conform", socket, "--only", "header/1", "--device"];
    const { code, stdout, stderr } = await space.run([...words, device]);
    assert.equal(stdout, "");
    assert.match(
      stderr,
      new RegExp(
        `the target serves a ${serves} device by what it offers; --device ${device} judges ${device} devices; ` +
          `leave --device out, or name --device ${serves}`,
      ),
    );
    assert.equal(code, 2);
    assert.equal((await space.run([...words, serves])).code, 0);
  }
});

test("a target whose type cannot be inferred is taken for what the command names", async (t) => {
  const space = new Workspace(t);
  const { socket } = await space.serve([], "s", "rng");
  assert.equal(
    (await space.run(["conform", socket, "--only", "header/1", "--device", "scsi"])).code,
    0,
  );
  assert.equal((await space.run(["io", "rng", "read", socket])).code, 0);
});
