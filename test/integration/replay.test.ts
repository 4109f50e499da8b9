import assert from "node:assert/strict";
import { test } from "node:test";
import { guardLeaks } from "../support/leak-guard.ts";
import { parseDocument } from "../support/published-schemas.ts";
import { commandPath, Workspace } from "./support/index.ts";

guardLeaks();

const GET_FEATURES = `${JSON.stringify({
  us: 1,
  from: "front-end",
  descriptors: [],
  hex: "010000000100000000000000",
})}\n`;
const US = `'${process.execPath}' '${commandPath}'`;

/** A capture of a client that reads the id of a disk. */
async function recorded(space: Workspace): Promise<string> {
  const capture = space.path("session.jsonl");
  const { code, stderr } = await space.run([
    "trace",
    "--exec-back-end",
    `${US} serve block --socket {socket} --size 1M --queues 1`,
    "--exec-front-end",
    `${US} io block id {socket}`,
    "--quiet",
    "--write",
    capture,
  ]);
  assert.equal(code, 0, stderr);
  return capture;
}

test("replay plays a capture against a program, repeats it, and says where it diverges", async (t) => {
  const space = new Workspace(t);
  const capture = await recorded(space);
  const serve = (size: string): string =>
    `${US} serve block --socket {socket} --size ${size} --queues 1`;
  const same = await space.run(["replay", capture, "--exec", serve("1M"), "--repeat", "3"]);
  assert.equal(same.code, 0, same.stdout + same.stderr);
  assert.match(same.stdout, /^as recorded: \d+ messages sent, \d+ compared, 3 rounds$/m);
  const other = await space.run(["replay", capture, "--exec", serve("2M"), "--repeat", "3"]);
  assert.equal(other.code, 1);
  assert.match(other.stdout, /^diverged at message \d+$/m);
  assert.match(other.stdout, /^ {2}expected: GET_CONFIG reply .*"capacity":"0x800"/m);
  assert.match(other.stdout, /^ {2}got: {6}GET_CONFIG reply .*"capacity":"0x1000"/m);
  const adapted = await space.run(["replay", capture, "--exec", serve("2M"), "--adapt", "--json"]);
  assert.equal(adapted.code, 0);
  const { differences } = parseDocument<{ differences: unknown[] }>("replay", adapted.stdout);
  assert.equal(differences.length, 1);
  const quiet = await space.run(["replay", capture, "--exec", serve("1M"), "--quiet"]);
  assert.match(quiet.stdout, /^as recorded: .*\n$/);
  const net = `${US} serve net --socket {socket} --queues 1`;
  const type = await space.run(["replay", capture, "--exec", net, "--adapt"]);
  assert.equal(type.code, 1, type.stdout + type.stderr);
  assert.match(type.stdout, /^diverged at message \d+$/m);
});

test("replay --front-end plays the back-end against a program", async (t) => {
  const space = new Workspace(t);
  const capture = await recorded(space);
  const probe = `${US} io block id {socket} --timeout 2s`;
  // Nothing completes on a ring that is played, so the front-end waits after it has enabled it.
  const args = ["--front-end", "--exec", probe, "--last", "20"];
  const { code, stdout } = await space.run(["replay", capture, ...args]);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^as recorded: \d+ messages sent, \d+ compared$/m);
});

test("replay needs a capture and one program", async (t) => {
  const space = new Workspace(t);
  const capture = await recorded(space);
  const missing = await space.run(["replay", space.path("none.jsonl"), "x.sock"]);
  assert.equal(missing.code, 2);
  assert.match(missing.stderr, /name the file that trace --write made/);
  assert.equal((await space.run(["replay", capture])).code, 2);
  const both = ["replay", capture, "x.sock", "--front-end", "--exec", "true {socket}"];
  assert.match((await space.run(both)).stderr, /SOCKET and --exec cannot be combined/);
});

test("a front-end that cannot be started is named, and nothing waits for it", async (t) => {
  const space = new Workspace(t);
  const capture = space.file("session.jsonl", GET_FEATURES);
  const missing = ["--front-end", "--exec", "no-such-front-end {socket}", "--timeout", "1h"];
  const { code, stderr } = await space.run(["replay", capture, ...missing]);
  assert.equal(code, 4);
  assert.match(stderr, /^vhost-user: the program no-such-front-end was not found .*\n$/);
});
