import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { test } from "node:test";
import { CONNECTION_PHASES } from "../../src/lab/workloads/index.ts";
import type { TestReport } from "../../src/lab/results/index.ts";
import { parseJunit } from "../support/junit.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { parseDocument } from "../support/published-schemas.ts";
import { Workspace } from "./support/index.ts";

guardLeaks();

const TOTALS = /^Total tests: (\d+), Passed: (\d+), Failed: (\d+)(?:, Skipped: (\d+))?$/gm;

/** The numbers of each line of totals. */
function totals(text: string): number[][] {
  return [...text.matchAll(TOTALS)].map(([, ...numbers]) => numbers.map((n) => Number(n ?? 0)));
}

/** A place for the ledger of this test alone. */
function ledgerOf(space: Workspace): { env: { XDG_RUNTIME_DIR: string }; files: () => string[] } {
  const runtime = space.path("run");
  mkdirSync(runtime, { mode: 0o700 });
  const env = { XDG_RUNTIME_DIR: runtime };
  return { env, files: () => readdirSync(space.path("run/vhost-user")) };
}

/** Node and nothing else. */
function barePath(space: Workspace): string {
  mkdirSync(space.path("bin"));
  symlinkSync(process.execPath, space.path("bin/node"));
  return space.path("bin");
}

test("test basic passes, and prints the titles that scripts look for", async (t) => {
  const space = new Workspace(t);
  const { code, stdout, stderr } = await space.run(["test", "basic"]);
  assert.equal(code, 0, stderr + stdout);
  assert.equal(stderr, "");
  const lines = stdout.trimEnd().split("\n");
  assert.match(lines[0] ?? "", /^=== .+ ===$/);
  for (const title of [
    "VhostUserMsg structure size is correct (20 bytes)",
    "Message request field set correctly",
    "Client successfully communicates with mock server",
  ]) {
    assert.ok(lines.includes(`✓ PASS: ${title}`), `no test "${title}"`);
  }
  const [[total = 0, passed, failed] = []] = totals(stdout);
  assert.equal(total, lines.filter((line) => line.startsWith("✓ PASS: ")).length);
  assert.deepEqual([passed, failed], [total, 0]);
  assert.match(lines.at(-1) ?? "", /^Total tests: /);
});

test("test needs no group but knows all five", async (t) => {
  const space = new Workspace(t);
  const { code, stderr } = await space.run(["test", "nothing"]);
  assert.equal(code, 2);
  assert.match(stderr, /nothing/);
  const { stdout } = await space.run(["test", "--help"]);
  for (const name of ["basic", "qemu", "perf", "stress", "all"]) {
    assert.match(stdout, new RegExp(`^ {2}${name} `, "m"));
  }
});

test("--json prints one document, --json-file and --junit write the same results", async (t) => {
  const space = new Workspace(t);
  const words = "test basic --json --json-file results.json --junit results.xml";
  const { code, stdout, stderr } = await space.run(words.split(" "));
  assert.equal(code, 0, stderr);
  const report = parseDocument<TestReport>("test", stdout);
  assert.deepEqual(JSON.parse(readFileSync(space.path("results.json"), "utf8")), report);
  assert.equal(report.schemaVersion, 1);
  assert.equal(report.tool.name, "vhost-user");
  assert.deepEqual([report.failed, report.skipped], [0, 0]);
  const titles = report.groups.flatMap(({ results }) => results.map(({ title }) => title));
  assert.equal(report.passed, titles.length);
  assert.match(stderr, /^=== .+ ===$/m, "what people read is on standard error");
  const junit = parseJunit(readFileSync(space.path("results.xml"), "utf8"));
  const cases = junit.children.flatMap(({ children }) => children);
  assert.deepEqual(
    cases.map(({ attributes }) => attributes["name"]),
    titles,
  );
});

test("an option of another group is refused", async (t) => {
  const space = new Workspace(t);
  for (const [words, says] of [
    ["test basic --clients 2", /unknown option '--clients'/],
    ["test stress --connections 10", /unknown option '--connections'/],
    ["test stress some.sock", /too many arguments/],
  ] as const) {
    const { code, stdout, stderr } = await space.run(words.split(" "));
    assert.deepEqual([code, stdout], [2, ""], words);
    assert.match(stderr, says);
  }
});

test("with -q, test and conform print one line for each failure and nothing else", async (t) => {
  const space = new Workspace(t);
  const passed = await space.run(["test", "basic", "-q"]);
  assert.deepEqual([passed.code, passed.stdout, passed.stderr], [0, "", ""]);
  const { socket } = await space.serve(["--size", "1M", "--fault", "device-io-error"]);
  const tests = await space.run(["test", "perf", "--connections", "10", socket, "-q"]);
  const checks = await space.run(["conform", socket, "--only", "blk/1", "blk/2", "-q"]);
  for (const { code, stdout } of [tests, checks]) {
    assert.equal(code, 1, stdout);
    const lines = stdout.trimEnd().split("\n");
    assert.ok(lines.length > 0);
    for (const line of lines) assert.match(line, /^(?:✗ FAIL: |FAIL  [a-z]+\/\d+ ).*: \S/);
  }
  assert.match(tests.stderr, /^vhost-user: (\d+) of the tests failed\n$/);
});

test("--quiet --json says nothing on standard error", async (t) => {
  const space = new Workspace(t);
  const { code, stdout, stderr } = await space.run(["test", "basic", "--quiet", "--json"]);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.ok(parseDocument("test", stdout));
});

test("a report that cannot be written is found out before anything runs", async (t) => {
  const space = new Workspace(t);
  for (const option of ["--junit", "--json-file"]) {
    const { code, stdout, stderr } = await space.run(["test", "basic", option, "no/such/file"]);
    assert.equal(code, 2);
    assert.equal(stdout, "");
    assert.match(stderr, /no\/such\/file/);
  }
});

test("without a folder for temporary files it does not run, and says which variable helps", async (t) => {
  const space = new Workspace(t);
  const wrapper = ["env", `TMPDIR=${space.path("missing")}`];
  const { code, stdout, stderr } = await space.run(["test", "basic"], { wrapper });
  assert.equal(code, 2);
  assert.match(stderr, /missing.*mkdir -p .*TMPDIR/);
  assert.deepEqual(totals(stdout), []);
});

test("test perf reports each phase of a connection by percentiles", async (t) => {
  const space = new Workspace(t);
  const words = "test perf --connections 10 --json";
  const { code, stdout, stderr } = await space.run(words.split(" "));
  assert.equal(code, 0, stderr);
  const results = parseDocument<TestReport>("test", stdout).groups.flatMap(
    (group) => group.results,
  );
  const [latency] = results;
  assert.equal(latency?.values[0], "10 connections");
  const figures = String.raw`p50 [\d.]+, p90 [\d.]+, p99 [\d.]+, p99\.9 [\d.]+ µs`;
  for (const [i, phase] of CONNECTION_PHASES.entries()) {
    assert.match(latency.values[i + 1] ?? "", new RegExp(`^${phase} +${figures}$`));
  }
  const notes = results.flatMap((result) => result.values).join("\n");
  for (const figure of [
    /\d+ sessions a second/,
    /one by one \d+ a second/,
    /write 64 KiB at depth 16: \d+ MiB\/s/,
    /read 4 KiB at depth 32: \d+ a second, p50 /,
  ]) {
    assert.match(notes, figure);
  }
});

test("test perf measures that back-end, and writes nothing to it", async (t) => {
  const space = new Workspace(t);
  const image = space.file("disk.img", new Uint8Array(1 << 20).fill(0x5a));
  const { socket } = await space.serve(["--image", image]);
  const words = ["test", "perf", "--connections", "10", socket];
  const { code, stdout } = await space.run(words);
  assert.equal(code, 0, stdout);
  assert.doesNotMatch(stdout, /write 64 KiB/);
  assert.ok(readFileSync(image).every((byte) => byte === 0x5a));
});

test("a back-end with a fault fails tests: exit code 1, and each says why", async (t) => {
  const space = new Workspace(t);
  const { socket } = await space.serve(["--fault", "device-io-error"]);
  const words = ["test", "perf", "--connections", "10", socket];
  const junit = ["--junit", space.path("results.xml")];
  const { code, stdout, stderr } = await space.run([...words, ...junit]);
  assert.equal(code, 1);
  const [[total, passed = 0, failed = 0] = []] = totals(stdout);
  assert.ok(passed > 0 && failed > 0, stdout);
  assert.equal(passed + failed, total);
  assert.match(stdout, /^✗ FAIL: Block throughput .*\n {4}\S/m);
  assert.match(stderr, new RegExp(`^vhost-user: ${failed} of the tests failed$`, "m"));
  const suite = parseJunit(readFileSync(space.path("results.xml"), "utf8")).children[0];
  assert.equal(Number(suite?.attributes["failures"]), failed);
});

test("a socket without a listener fails the tests, not the command", async (t) => {
  const space = new Workspace(t);
  const { code, stdout } = await space.run(["test", "perf", "absent.sock"]);
  assert.equal(code, 1);
  assert.match(stdout, /^✗ FAIL: .*\n {4}absent\.sock: no program listens there/m);
});

test("test stress has all clients served, and nothing grows", async (t) => {
  const space = new Workspace(t);
  const words = "test stress --clients 12 --rounds 4";
  const { code, stdout, stderr } = await space.run(words.split(" "));
  assert.equal(code, 0, stderr + stdout);
  assert.match(stdout, /^ {4}12 clients in 4 processes connected in \d+ ms$/m);
  for (const [who, sessions] of [
    ["back-end", 12],
    ["client process", 3],
  ] as const) {
    const peak = String.raw`\d+ descriptors, \d\.\d\d for each of ${sessions} sessions`;
    assert.match(stdout, new RegExp(`^ {4}peak of the ${who}: ${peak}$`, "m"));
  }
  assert.match(stdout, /^ {4}back-end: \d+ descriptors .* in each round/m);
  assert.match(stdout, /^ {4}client process: \d+ descriptors .* in each round/m);
});

test("too low a limit of open files is a failure naming needed and available", async (t) => {
  const space = new Workspace(t);
  const wrapper = ["sh", "-c", 'ulimit -n 200 && exec "$@"', "sh"];
  const words = "test stress --clients 100 --rounds 4";
  const { code, stdout } = await space.run(words.split(" "), { wrapper });
  assert.equal(code, 1);
  assert.match(
    stdout,
    /✗ FAIL: .*\n {4}100 clients need 964 file descriptors .* 200 are available/,
  );
  assert.match(stdout, /ulimit -n 964/);
});

for (const [name, words, printed] of [
  ["perf", "test perf --connections 100000", /^=== /m],
  ["stress", "test stress --clients 12 --rounds 1000", /PASS: Concurrent clients/],
  ["all", "test all --clients 12 --rounds 1000", /PASS: Message request field/],
] as const) {
  test(`SIGINT in the middle of test ${name} leaves nothing behind`, async (t) => {
    const space = new Workspace(t);
    const ledger = ledgerOf(space);
    const args = [...words.split(" "), "--json-file", space.path("results.json")];
    const running = space.start(args, { env: ledger.env });
    await running.printed(printed);
    const { code, stdout, stderr } = await running.stop("SIGINT");
    assert.equal(code, 130);
    assert.match(stdout, /^partial result: interrupted by SIGINT$/m);
    assert.match(stderr, /vhost-user: interrupted by SIGINT\n$/);
    assert.deepEqual(space.survivors(), []);
    assert.deepEqual(space.temporaryFiles, []);
    assert.deepEqual(ledger.files(), []);
    const report = parseDocument<TestReport>(
      "test",
      readFileSync(space.path("results.json"), "utf8"),
    );
    assert.equal(report.failed, 0, "an interruption is not a failure");
    assert.equal(report.partial, true);
    // What passed in the group that was interrupted counts.
    assert.equal(report.passed > 0, name !== "perf");
  });
}

test("SIGTERM in the middle of test stress leaves nothing behind", async (t) => {
  const space = new Workspace(t);
  const { env, files } = ledgerOf(space);
  const running = space.start("test stress --clients 12 --rounds 1000".split(" "), { env });
  await running.printed(/PASS: Concurrent clients/);
  assert.equal((await running.stop("SIGTERM")).code, 143);
  assert.deepEqual(space.survivors(), []);
  assert.deepEqual(space.temporaryFiles, []);
  assert.deepEqual(files(), []);
});

test("without QEMU its tests are skipped, with the line that installs it", async (t) => {
  const space = new Workspace(t);
  const env = { PATH: barePath(space), CI: "" };
  const { code, stdout } = await space.run(["test", "qemu"], { env });
  assert.equal(code, 0, stdout);
  assert.match(
    stdout,
    /^- SKIP: QEMU vhost-user server is running\n {4}qemu-system-x86_64 not found/m,
  );
  const [[, passed = 0, failed, skipped = 0] = []] = totals(stdout);
  assert.equal(failed, 0);
  assert.ok(passed > 0, "what needs no program runs");
  assert.ok(skipped > 5);
});

test("with CI=true a missing QEMU is a failure", async (t) => {
  const space = new Workspace(t);
  const env = { PATH: barePath(space), CI: "true" };
  const { code, stdout } = await space.run(["test", "qemu"], { env });
  assert.equal(code, 1);
  assert.match(
    stdout,
    /^✗ FAIL: QEMU vhost-user server is running\n {4}qemu-system-x86_64 not found/m,
  );
  assert.equal(totals(stdout)[0]?.[3], 0, "nothing is skipped");
});
