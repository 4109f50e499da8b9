import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { BackendServer } from "../../src/endpoints/backend/index.ts";
import { BlockDevice } from "../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../src/endpoints/storage/index.ts";
import type { BenchComparison } from "../../src/lab/results/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { parseDocument } from "../support/published-schemas.ts";
import { commandPath, Workspace } from "./support/index.ts";

guardLeaks();

const SHORT = ["--count", "200", "--warmup", "1ms"];
const EXEC = `${process.execPath} ${commandPath} serve block --size 1M --socket {socket}`;

function comparisonOf(text: string): BenchComparison {
  return parseDocument("bench-comparison", text);
}

test("bench block compares a socket and a started program, as text and as one page", async (t) => {
  const space = new Workspace(t);
  const { socket } = await space.serve(["--size", "1M"]);
  const html = space.path("comparison.html");
  const { code, stdout, stderr } = await space.run(
    ["bench", "block", socket, "--exec", EXEC, "--runs", "2", "--html", html].concat(SHORT),
  );
  assert.equal(code, 0, stderr);
  const [workload = "", header = "", first = "", second = "", ...more] = stdout
    .trimEnd()
    .split("\n");
  assert.match(workload, /^block: randread 4 KiB.*; 2 runs of each target, alternated$/);
  assert.match(header, /^ *median IOPS +quartiles +ratio +runs +p50 µs +p99 µs +target$/);
  assert.match(first, /^ *[\d,]+ +[\d,]+-[\d,]+ +1 +2 +[\d.]+ +[\d.]+ {2}\S+$/);
  assert.ok(first.endsWith(`  ${socket}`), first);
  assert.match(second, /^ *[\d,]+ +[\d,]+-[\d,]+ +\d+\.\d{3} +2 /);
  assert.ok(second.endsWith(`  ${EXEC}`), second);
  assert.deepEqual(more, []);
  const page = readFileSync(html, "utf8");
  assert.equal(page.match(/<circle /g)?.length, 4);
  assert.ok(page.includes(socket) && page.includes("serve block --size 1M"));
});

test("several targets are compared over five runs by default, as JSON", async (t) => {
  const space = new Workspace(t);
  const { socket } = await space.serve(["--size", "1M"]);
  const file = space.path("comparison.json");
  const words = ["bench", "connect", socket, socket, "--count", "3", "--json"];
  const { code, stdout, stderr } = await space.run([...words, "--json-file", file]);
  assert.equal(code, 0, stderr);
  const { bench, runs, partial, targets } = comparisonOf(stdout);
  assert.deepEqual([bench, runs, partial], ["connect", 5, false]);
  assert.deepEqual(
    targets.map(({ rates, ratios }) => [rates.length, ratios?.length]),
    [
      [5, undefined],
      [5, 5],
    ],
  );
  assert.deepEqual(comparisonOf(readFileSync(file, "utf8")), JSON.parse(stdout));
});

test("bench net compares sinks, and one target with --runs has no ratio", async (t) => {
  const space = new Workspace(t);
  const sink = ["--traffic", "sink"];
  const one = await space.serve(sink, "one.sock", "net");
  const two = await space.serve(sink, "two.sock", "net");
  const words = ["bench", "net", "tx", "--runtime", "50ms", "--warmup", "1ms", "--runs", "2"];
  const both = await space.run([...words, one.socket, two.socket, "--json"]);
  assert.equal(both.code, 0, both.stderr);
  const { unit, targets } = comparisonOf(both.stdout);
  assert.equal(unit, "frames/s");
  assert.equal(targets[1]?.ratios?.length, 2);
  const alone = await space.run([...words, one.socket, "--json"]);
  assert.equal(alone.code, 0, alone.stderr);
  const [only, ...rest] = comparisonOf(alone.stdout).targets;
  assert.deepEqual([only?.rates.length, only?.medianRatio, rest], [2, undefined, []]);
});

test("a target that is missing is named once in an error", async (t) => {
  const space = new Workspace(t);
  const { socket } = await space.serve(["--size", "1M"]);
  const { code, stdout, stderr } = await space.run(
    ["bench", "block", socket, "none.sock", "--json"].concat(SHORT),
  );
  assert.equal(code, 3, stderr);
  assert.match(stderr, /^vhost-user: none\.sock: no program listens there/m);
  assert.equal(comparisonOf(stdout).endedBy?.split("none.sock").length, 2, stdout);
});

test("a target that cannot be reached ends the comparison with its name and what was measured", async (t) => {
  const space = new Workspace(t);
  const failing = "false {socket}";
  const { code, stdout, stderr } = await space.run(
    ["bench", "block", "--exec", EXEC, "--exec", failing, "--json"].concat(SHORT),
  );
  assert.equal(code, 3, stderr);
  assert.match(stderr, /^vhost-user: false \{socket\}: false exited with code 1 before/m);
  const { partial, endedBy, targets } = comparisonOf(stdout);
  assert.equal(partial, true);
  assert.ok(endedBy?.startsWith(failing), endedBy);
  assert.deepEqual(
    targets.map(({ rates }) => rates.length),
    [1, 0],
  );
});

test("one failing target of several has the exit code of the same target alone", async (t) => {
  const space = new Workspace(t);
  const { socket } = await space.serve(["--size", "1M"]);
  const cases: readonly (readonly [words: readonly string[], code: number])[] = [
    [["block", ...SHORT, space.path("none.sock")], 3],
    [["block", ...SHORT, "--exec", "no-such-program {socket}"], 4],
    [["block", ...SHORT, socket, "--size", "2M"], 2],
    [["connect", "--count", "3", space.path("none.sock")], 3],
  ];
  for (const [[what = "", ...words], expected] of cases) {
    const alone = await space.run(["bench", what, ...words]);
    assert.equal(alone.code, expected, alone.stderr);
    const several = await space.run(["bench", what, socket, ...words]);
    assert.equal(several.code, expected, several.stderr);
  }
});

test("a signal keeps the runs that were measured to their end", async (t) => {
  const space = new Workspace(t);
  const { socket } = await space.serve(["--size", "1M"]);
  const other = space.path("other.sock");
  const storage = BlockStorage.memory(1 << 20);
  const device = new BlockDevice({ storage });
  const server = await BackendServer.listen(other, { device: () => device });
  t.after(() => {
    server.close();
    storage.close();
  });
  const words = ["bench", "block", socket, other, "--runs", "1000", "--json"];
  const running = space.start([...words, "--runtime", "100ms", "--warmup", "1ms"]);
  const requests = device.requests + 100;
  while (device.requests < requests) await new Promise(setImmediate);
  const { code, stdout, stderr } = await running.stop("SIGINT");
  assert.equal(code, 130, stderr);
  assert.match(stderr, /vhost-user: interrupted by SIGINT\n$/);
  const { partial, endedBy, targets } = comparisonOf(stdout);
  assert.deepEqual([partial, endedBy], [true, "interrupted by SIGINT"]);
  assert.ok((targets[0]?.rates.length ?? 0) > 0, stdout);
});
