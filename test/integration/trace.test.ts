import assert from "node:assert/strict";
import { readFileSync, statSync } from "node:fs";
import { test } from "node:test";
import type { InspectedSession } from "../../src/lab/trace/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { schemaFaults } from "../support/json-schema.ts";
import { parseDocument, readSchema } from "../support/published-schemas.ts";
import { commandPath, vhostUser, Workspace } from "./support/index.ts";

guardLeaks();

const US = `'${process.execPath}' '${commandPath}'`;
const BACK_END = `${US} serve block --socket {socket} --size 16M`;
const FRONT_END = `${US} io block verify {socket} --length 64K --depth 1 --ring-mode event --seed 1`;
const execBoth = ["--exec-back-end", BACK_END, "--exec-front-end", FRONT_END] as const;

/** The lines of a trace, each of which fits the schema. */
function traceLines(text: string): Record<string, unknown>[] {
  const schema = readSchema("trace");
  return text
    .trim()
    .split("\n")
    .map((line) => {
      const value: Record<string, unknown> = JSON.parse(line);
      assert.deepEqual(schemaFaults(schema, value), [], line);
      return value;
    });
}

test("a client goes through trace, which prints its conversation and ends on SIGINT", async (t) => {
  const space = new Workspace(t);
  const { socket } = await space.serve(["--size", "16M"]);
  const [listen, capture] = [space.path("trace.sock"), space.path("session.jsonl")];
  const trace = space.start(["trace", "--listen", listen, "--connect", socket, "-w", capture]);
  await trace.printed(/tracing: the front-end connects to/);
  const io = ["io", "block", "verify", listen, "--length", "64K", "--ring-mode", "event"];
  const { code } = await space.run([...io, "--depth", "1", "--seed", "1"]);
  assert.equal(code, 0);
  trace.signal("SIGINT");
  const { code: traced, stdout } = await trace.result;
  assert.equal(traced, 0);
  assert.match(
    stdout,
    /^ +\d+ #0 -- opened: front-end pid \d+ \(node\), back-end pid \d+ \(node\)$/m,
  );
  assert.match(stdout, /^ +\d+ #0 -> GET_FEATURES$/m);
  assert.match(
    stdout,
    /^ +\d+ #0 <- GET_FEATURES reply 0x[0-9a-f]+ \[.*EVENT_IDX.*\] \(\d+ µs\)$/m,
  );
  assert.match(stdout, /SET_VRING_ADDR need_reply index=0 .*descriptor=mem0\+0x/);
  assert.match(stdout, /\{kick\.0: eventfd\}/);
  assert.match(stdout, /session closed by the front-end/);
  assert.match(stdout, /^1 session, \d+ messages, .*; 0 broken rules, 0 errors$/m);
  assert.match(stdout, /^GET_FEATURES +\d+ +\d+ +\d+ +\d+ +\d+$/m);

  // The capture has the same, is private, and ends with a mark.
  assert.equal(statSync(capture).mode & 0o777, 0o600);
  const lines = traceLines(readFileSync(capture, "utf8"));
  assert.equal(lines.at(-1)?.["event"], "end");
  assert.ok(lines.every(({ fields }) => fields === undefined));
  const shown = await space.run(["capture", "show", capture]);
  const events = stdout.split("\n").filter((line) => /^ +\d+ #/.test(line));
  assert.deepEqual(shown.stdout.trimEnd().split("\n"), events);
  assert.deepEqual([shown.code, shown.stderr], [0, ""]);
});

test("--exec starts both programs, ends with the front-end and passes its status on", async (t) => {
  const space = new Workspace(t);
  const { code, stdout, stderr } = await space.run(["trace", ...execBoth, "--json"]);
  assert.equal(code, 0);
  const lines = traceLines(stdout);
  const end = lines.at(-1) ?? {};
  const { programs } = end as { programs: Record<string, Record<string, unknown>> };
  assert.deepEqual([programs["frontEnd"]?.["code"], programs["frontEnd"]?.["stopped"]], [0, false]);
  assert.equal(programs["backEnd"]?.["stopped"], true);
  assert.equal(end["events"], lines.length - 2);
  assert.match(stderr, /^front-end: .*64 KiB verified$/m);
  assert.match(stderr, /^back-end: front-end connected$/m);
});

const statuses: readonly (readonly [what: string, args: readonly string[], code: number])[] = [
  [
    "the front-end's",
    ["--exec-back-end", BACK_END, "--exec-front-end", "sh -c 'exit 7' {socket}"],
    7,
  ],
  [
    "of a front-end that a signal ended",
    ["--exec-back-end", BACK_END, "--exec-front-end", "sh -c 'kill -KILL $$' {socket}"],
    137,
  ],
  [
    "125 for a program that is missing",
    ["--exec-back-end", "no-such-program {socket}", "--listen", "x"],
    125,
  ],
  ["2 for a command without {socket}", ["--exec-back-end", "true", "--listen", "x"], 2],
  ["2 for one side only", ["--listen", "x"], 2],
  ["2 for two sides that listen", ["--connect", "x", "--exec-back-end", "true {socket}"], 2],
  ["2 for a wrong filter", ["--listen", "x", "--connect", "y", "--filter", "ring="], 2],
];

for (const [what, args, expected] of statuses) {
  test(`the exit code is ${what}`, async (t) => {
    const { code, stderr } = await new Workspace(t).run(["trace", ...args]);
    assert.equal(code, expected, stderr);
  });
}

test("the exit code is the back-end's where no front-end was started", async (t) => {
  const space = new Workspace(t);
  const args = ["trace", "--listen", space.path("front.sock"), "--exec-back-end", BACK_END];
  const trace = space.start(args);
  await trace.printed(/tracing: /);
  const backEnds = space.survivors().filter((pid) => pid !== trace.pid);
  assert.ok(backEnds.length > 0);
  for (const pid of backEnds) process.kill(pid, "SIGKILL");
  const { code, stdout } = await trace.result;
  assert.equal(code, 137);
  assert.match(stdout, /back-end node \(pid \d+\) was ended by SIGKILL/);
});

test("--filter chooses what is printed, and the summary has everything", async (t) => {
  const space = new Workspace(t);
  const args = ["trace", ...execBoth, "--filter", "SET_VRING_* & ring=0"];
  const { code, stdout } = await space.run(args);
  assert.equal(code, 0);
  const events = stdout.split("\n").filter((line) => /^ +\d+ #/.test(line));
  assert.ok(events.length >= 5);
  assert.ok(events.every((line) => / SET_VRING_\w+ .*index=0/.test(line) || / reply /.test(line)));
  assert.match(stdout, /^GET_FEATURES +2 /m);
});

test("--quiet prints the summary only, and colours follow FORCE_COLOR and NO_COLOR", async (t) => {
  const space = new Workspace(t);
  const quiet = await space.run(["trace", ...execBoth, "--quiet"]);
  assert.match(quiet.stdout, /^1 session, /);
  assert.equal(quiet.stderr, "");
  const coloured = await space.run(["trace", ...execBoth], { env: { FORCE_COLOR: "1" } });
  assert.ok(coloured.stdout.includes("\u001b["));
  const plain = await space.run(["trace", ...execBoth], { env: { NO_COLOR: "1" } });
  assert.ok(!plain.stdout.includes("\u001b["));
});

test("a back-end that crashes ends its session with a line that says so", async (t) => {
  const space = new Workspace(t);
  const { socket, server } = await space.serve(["--size", "1M"]);
  const listen = space.path("trace.sock");
  const trace = space.start([
    "trace",
    "--listen",
    listen,
    "--connect",
    socket,
    "--filter",
    "error",
  ]);
  await trace.printed(/tracing: /);
  const io = space.start(["io", "block", "verify", listen, "--length", "1M", "--seed", "1"]);
  await server.printed(/front-end connected/);
  server.signal("SIGKILL");
  const { code } = await io.result;
  assert.notEqual(code, 0);
  await trace.printed(
    /session crashed by the back-end: back-end node \(pid \d+\) (was ended by SIGKILL|is gone)/,
  );
  trace.signal("SIGTERM");
  assert.equal((await trace.result).code, 0);
});

test("a front-end that listens and a back-end that connects are traced as well", async (t) => {
  const space = new Workspace(t);
  const [front, listen] = [space.path("front.sock"), space.path("trace.sock")];
  const io = ["io", "block", "verify", front, "--listen", "--length", "64K", "--depth", "1"];
  const client = space.start([...io, "--ring-mode", "event", "--seed", "1"]);
  const trace = space.start([
    "trace",
    "--listen",
    listen,
    "--connect",
    front,
    "--front-end-listens",
  ]);
  await trace.printed(/tracing: the front-end listens on .*, the back-end connects to/);
  space.start(["serve", "block", "--connect", listen, "--size", "1M"]);
  const { code, stderr } = await client.result;
  assert.equal(code, 0, stderr);
  trace.signal("SIGINT");
  const { stdout } = await trace.result;
  assert.match(stdout, /#0 -> GET_FEATURES/);
});

test("captures are counted, filtered and compared", async (t) => {
  const space = new Workspace(t);
  const [first, second] = [space.path("first.jsonl"), space.path("second.jsonl")];
  for (const path of [first, second]) {
    const { code } = await space.run(["trace", ...execBoth, "--quiet", "-w", path]);
    assert.equal(code, 0);
  }
  const again = await space.run(["trace", ...execBoth, "--quiet", "-w", first]);
  assert.equal(again.code, 2);
  assert.match(again.stderr, /first\.jsonl already exists.*--force/);

  const stat = await space.run(["capture", "stat", first, "--json"]);
  const counts = parseDocument("capture-stat", stat.stdout);
  assert.deepEqual([counts["end"], counts["sessions"], counts["violations"]], ["clean", 1, 0]);

  const diff = await space.run(["capture", "diff", first, second]);
  assert.deepEqual([diff.code, diff.stderr], [0, ""]);
  assert.match(diff.stdout, /^left out: times and round trips; /);
  assert.match(diff.stdout, /^session 0, main socket: equal, \d+ exchanges$/m);

  const kept = space.path("kept.jsonl");
  const filtered = await space.run(["capture", "filter", first, "SET_VRING_KICK", "--out", kept]);
  assert.deepEqual([filtered.code, filtered.stderr], [0, ""]);
  const lines = traceLines(readFileSync(kept, "utf8"));
  assert.equal(lines.filter(({ event }) => event === "message").length, 2);
  const before = readFileSync(first, "utf8");
  const onItself = [first, "SET_VRING_KICK", "--out", first, "--force"];
  const refused = await space.run(["capture", "filter", ...onItself]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /first\.jsonl is the capture that is read.*choose another path/);
  assert.equal(readFileSync(first, "utf8"), before);
  const other = await space.run(["capture", "diff", first, kept, "--json"]);
  assert.equal(other.code, 1);
  const { sockets } = parseDocument<{ sockets: { differences: number }[] }>(
    "capture-diff",
    other.stdout,
  );
  assert.ok((sockets[0]?.differences ?? 0) > 10);

  const cut = space.file("cut.jsonl", readFileSync(first, "utf8").slice(0, 2000));
  const shown = await space.run(["capture", "show", cut]);
  assert.equal(shown.code, 0);
  assert.match(shown.stdout, /#0 -> GET_FEATURES/);
  assert.match(shown.stderr, /is cut off: its recorder did not end in order/);
});

test("--help-filter explains filters", async () => {
  const { code, stdout } = await vhostUser(["trace", "--help-filter"]);
  assert.equal(code, 0);
  assert.match(stdout, /^ {2}slower=DURATION /m);
});

test("a reader that closes the output, or never reads it, does not disturb the session", async (t) => {
  const space = new Workspace(t);
  const shell = `${US} trace --exec-back-end "$1" --exec-front-end "$2" | head -n 1`;
  const { code, stdout, stderr } = await space.run(["-c", shell, "sh", BACK_END, FRONT_END], {
    program: ["sh"],
  });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /opened/);
  assert.match(stderr, /64 KiB verified/);
});

test("trace --rings prints each request, what became of it, and counts per ring", async (t) => {
  const space = new Workspace(t);
  const capture = space.path("rings.jsonl");
  const both = [...execBoth, "--rings", "--filter", "rings"];
  const { code, stdout } = await space.run(["trace", ...both, "--write", capture]);
  assert.equal(code, 0);
  assert.match(stdout, /^ +\d+ #0 -- ring 0 requestq followed: split, \d+ entries, base 0$/m);
  assert.match(stdout, /-- ring 0 requestq ended: .*; (\d+) chains made available, \1 used$/m);
  assert.match(stdout, /^#0 ring 0 requestq +\d+ /m);
  const lines = traceLines(readFileSync(capture, "utf8"));
  const [of, missed] = ["chain-available", "chains-missed"].map((name) =>
    lines.filter(({ event }) => event === name),
  );
  const { totals } = lines.find(({ state }) => state === "ended") as {
    totals: { available: number };
  };
  const unseen = (missed ?? []).reduce((sum, { chains }) => sum + Number(chains), 0);
  assert.equal((of?.length ?? 0) + unseen, totals.available);
  const shown = await space.run(["capture", "show", capture, "--filter", "rings"]);
  const events = stdout.split("\n").filter((line) => /^ +\d+ #/.test(line));
  assert.deepEqual(shown.stdout.trimEnd().split("\n"), events);
  const { stdout: counts } = await space.run(["capture", "stat", capture, "--json"]);
  const { rings } = parseDocument<{ rings: { chains: number }[] }>("capture-stat", counts);
  assert.equal(rings[0]?.chains, totals.available);

  // The state at the first chain, and of a capture's end.
  const moment = `${String(of?.[0]?.["us"])}us`;
  const inspected = await space.run(["inspect", capture, "--at", moment, "--json"]);
  const { sessions } = parseDocument<{ sessions: InspectedSession[] }>("inspect", inspected.stdout);
  assert.equal(sessions[0]?.rings[0]?.started, true);
  assert.ok((sessions[0]?.rings[0]?.outstanding ?? []).length > 0);
  const end = await space.run(["inspect", capture]);
  assert.match(end.stdout, /^ {2}ring 0 requestq: stopped, /m);
  const none = await space.run(["inspect", capture, "--session", "7"]);
  assert.equal(none.code, 2);
  assert.match(none.stderr, /has no session 7 at \d+ µs; choose a session and a time/);
  const odd = await space.run(["inspect", capture, "--at", "soon"]);
  assert.equal(odd.code, 2);
  assert.match(odd.stderr, /"soon" is not a time such as 1\.5s/);
});
