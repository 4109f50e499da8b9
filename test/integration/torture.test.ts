import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { guardLeaks } from "../support/leak-guard.ts";
import { parseDocument } from "../support/published-schemas.ts";
import { commandPath, vhostUser, Workspace } from "./support/index.ts";

guardLeaks();

const US = `'${process.execPath}' '${commandPath}'`;

interface Finding {
  readonly number: number;
  readonly program: string;
  readonly what: string;
}

/** Answers each message with an empty reply to its request. */
const BACK_END = `
  let closed = 0;
  const held = [];
  require("node:net").createServer((socket) => {
    let messages = 0;
    socket.on("error", () => undefined);
    socket.on("data", (bytes) => {
      messages += 1;
      const reply = Buffer.from(bytes.subarray(0, 12));
      reply[4] |= 4;
      reply.writeUInt32LE(8, 8);
      socket.write(Buffer.concat([reply, Buffer.alloc(8)]));
    });
    socket.on("close", () => (closed += 1, ON_CLOSE));
  }).listen(process.argv[1]);
`;

/** Sends three requests, and waits for the reply to each. */
const FRONT_END = `
  const socket = require("node:net").connect(process.argv[1]);
  let sent = 0;
  const send = () => {
    if (sent++ === 3) return socket.end();
    const request = Buffer.alloc(12);
    request[0] = 1; request[4] = 1;
    socket.write(request);
  };
  socket.on("error", () => undefined);
  socket.on("connect", send);
  socket.on("data", send);
  socket.on("close", () => { ON_CLOSE });
`;

async function tortured(t: TestContext, onBackEnd: string, onFrontEnd: string, cuts = 3) {
  const space = new Workspace(t);
  const [back, front] = [space.path("back.cjs"), space.path("front.cjs")];
  // With -e the first argument is argv[1]; as a file it is argv[2].
  const file = (path: string, text: string, close: string): void =>
    writeFileSync(path, text.replace("ON_CLOSE", close).replace("argv[1]", "argv[2]"));
  file(back, BACK_END, onBackEnd);
  file(front, FRONT_END, onFrontEnd);
  const { code, stdout } = await vhostUser([
    "trace",
    "--torture",
    String(cuts),
    "--json",
    "--exec-back-end",
    `'${process.execPath}' '${back}' {socket}`,
    "--exec-front-end",
    `'${process.execPath}' '${front}' {socket}`,
  ]);
  const report = parseDocument<{ findings: Finding[] }>("torture", stdout);
  return { code, findings: report.findings, report };
}

test("a session is cut before each message, and programs that survive pass", async (t) => {
  const { code, report } = await tortured(t, "undefined", "", 6);
  assert.equal(code, 0);
  assert.deepEqual(report, {
    schemaVersion: 1,
    kind: "torture",
    messages: 6,
    cuts: 6,
    findings: [],
  });
});

test("a back-end that crashes in the middle of a session is found", async (t) => {
  const { code, findings } = await tortured(t, "messages === 2 && process.abort()", "");
  assert.equal(code, 1);
  assert.ok(findings.length > 0);
  for (const { program, what } of findings)
    assert.deepEqual([program, what], ["back-end", "crashed"]);
});

test("a back-end that keeps a descriptor of each session that is cut is found", async (t) => {
  const leak = `messages < 3 && held.push(require("node:fs").openSync("/dev/null"))`;
  const { code, findings } = await tortured(t, leak, "");
  assert.equal(code, 1);
  assert.ok(findings.length > 0);
  for (const { program, what } of findings)
    assert.deepEqual([program, what], ["back-end", "leaked"]);
});

test("a front-end that crashes when its session ends is found", async (t) => {
  const { code, findings } = await tortured(t, "undefined", "if (sent < 4) process.abort();");
  assert.equal(code, 1);
  assert.deepEqual(
    findings.map(({ number, program, what }) => [number, program, what]),
    [1, 3, 5].map((number) => [number, "front-end", "crashed"]),
  );
});

test("our own programs survive cuts of their session", async () => {
  const { code, stdout } = await vhostUser([
    "trace",
    "--torture",
    "4",
    "--exec-back-end",
    `${US} serve block --socket {socket} --size 16M`,
    "--exec-front-end",
    `${US} io block id {socket}`,
  ]);
  assert.match(stdout, /^41 messages, 4 cuts: neither program crashed, hung or leaked$/m);
  assert.equal(code, 0);
});

test("--torture needs both programs, and nothing that is about one session", async () => {
  const one = await vhostUser(["trace", "--torture", "--listen", "a", "--connect", "b"]);
  assert.equal(one.code, 2);
  assert.match(one.stderr, /--torture needs --exec-front-end and --exec-back-end/);
  const programs = ["--exec-back-end", "a {socket}", "--exec-front-end", "b {socket}"];
  const more = await vhostUser(["trace", "--torture", ...programs, "--inject", "SET_OWNER:drop"]);
  assert.equal(more.code, 2);
  assert.match(more.stderr, /--torture and --inject cannot be combined/);
});
