import assert from "node:assert/strict";
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { guardLeaks } from "../support/leak-guard.ts";
import { packageRoot } from "../support/package-root.ts";
import { commandPath, Workspace } from "./support/index.ts";

guardLeaks();

const US = `'${process.execPath}' '${commandPath}'`;
const execBoth = [
  "--exec-back-end",
  `${US} serve block --socket {socket} --size 1M`,
  "--exec-front-end",
  `${US} io block id {socket}`,
] as const;
const CAPTURE = join(packageRoot, "test/fixtures/captures/qemu-7.2-net--dpdk-22.11.jsonl");
const SECTION = Buffer.of(0x0a, 0x0d, 0x0d, 0x0a);

/** Number of blocks of a type. */
function countBlocks(file: Buffer, wanted: number): number {
  let count = 0;
  for (let at = 0; at < file.length; at += file.readUInt32LE(at + 4)) {
    if (file.readUInt32LE(at) === wanted) count += 1;
  }
  return count;
}

test("wireshark --install puts the dissector where Wireshark looks, and replaces its own", async (t) => {
  const space = new Workspace(t);
  const home = space.path("home");
  mkdirSync(home);
  const path = join(home, ".local/lib/wireshark/plugins/vhost-user.lua");
  const printed = await space.run(["wireshark", "--print"]);
  for (const round of [1, 2]) {
    const { code, stdout } = await space.run(["wireshark", "--install"], { env: { HOME: home } });
    assert.deepEqual([code, stdout], [0, `installed: ${path}\n`], `round ${round}`);
    assert.equal(readFileSync(path, "utf8"), printed.stdout);
    writeFileSync(path, `${printed.stdout.split("\n")[0]}\nan older version\n`);
  }
});

test("wireshark --install leaves a file alone that is not its own, and a link", async (t) => {
  const space = new Workspace(t);
  const path = space.path("vhost-user.lua");
  const install = async () => space.run(["wireshark", "--install", "--directory", space.path(".")]);
  writeFileSync(path, "-- mine\n");
  const foreign = await install();
  assert.equal(foreign.code, 2);
  assert.match(foreign.stderr, /exists and is not a dissector of this package.*--directory/);
  assert.equal(readFileSync(path, "utf8"), "-- mine\n");
  const linked = space.path("linked");
  mkdirSync(linked);
  symlinkSync(path, join(linked, "vhost-user.lua"));
  const { code } = await space.run(["wireshark", "--install", "--directory", linked]);
  assert.equal(code, 2);
});

test("wireshark needs to know what to do", async (t) => {
  const { code, stderr } = await new Workspace(t).run(["wireshark"]);
  assert.equal(code, 2);
  assert.match(stderr, /needs --print or --install/);
});

test("capture export writes a private pcapng file with a packet for each message", async (t) => {
  const space = new Workspace(t);
  const out = space.path("session.pcapng");
  const { code } = await space.run(["capture", "export", CAPTURE, "--pcapng", out]);
  assert.equal(code, 0);
  assert.equal(statSync(out).mode & 0o777, 0o600);
  const messages = readFileSync(CAPTURE, "utf8").trim().split("\n").length;
  assert.equal(countBlocks(readFileSync(out), 6), messages);
  const again = await space.run(["capture", "export", CAPTURE, "--pcapng", out]);
  assert.equal(again.code, 2);
  const forced = await space.run(["capture", "export", CAPTURE, "--pcapng", out, "--force"]);
  assert.equal(forced.code, 0);
  const own = space.file("own.jsonl", readFileSync(CAPTURE, "utf8"));
  const onItself = await space.run(["capture", "export", own, "--pcapng", own, "--force"]);
  assert.equal(onItself.code, 2);
  assert.match(onItself.stderr, /own\.jsonl is the capture that is read/);
  const same = await space.run(["trace", ...execBoth, "-w", own, "--pcapng", own, "--force"]);
  assert.match(same.stderr, /--write and --pcapng name the same file/);
  assert.equal(readFileSync(own, "utf8"), readFileSync(CAPTURE, "utf8"));
});

test("trace --pcapng writes every event to a file, and to stdout when asked", async (t) => {
  const space = new Workspace(t);
  const out = space.path("live.pcapng");
  const filed = await space.run(["trace", ...execBoth, "--pcapng", out, "--filter", "error"]);
  assert.equal(filed.code, 0, filed.stderr);
  const packets = countBlocks(readFileSync(out), 6);
  const messages = Number(/^1 session, (\d+) messages/m.exec(filed.stdout)?.[1]);
  assert.equal(packets, messages + 2);
  const both = await space.run(["trace", ...execBoth, "--pcapng", "-", "--json"]);
  assert.equal(both.code, 2);
  assert.match(both.stderr, /--json and --pcapng - cannot be combined/);
  const piped = await space.run(["trace", ...execBoth, "--pcapng", "-"]);
  assert.equal(piped.code, 0, piped.stderr);
  const file = piped.bytes;
  assert.deepEqual(file.subarray(0, 4), SECTION);
  assert.ok(countBlocks(file, 6) > 30);
  assert.match(piped.stderr, /^1 session, \d+ messages/m);
});

test("a folder for the dissector is made with those above it, or refused", async (t) => {
  const space = new Workspace(t);
  const install = async (path: string) =>
    space.run(["wireshark", "--install", "--directory", path]);
  const below = join(space.path("a"), "b", "c");
  assert.equal((await install(below)).code, 0);
  assert.ok(statSync(join(below, "vhost-user.lua")).isFile());
  const file = space.file("file", "");
  for (const path of [file, join(file, "x"), "/proc/x"]) {
    const { code, stderr } = await install(path);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /cannot be used as an output folder: .*; (name|choose) another path$/m);
  }
});
