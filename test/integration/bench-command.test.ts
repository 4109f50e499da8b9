import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import type { BenchReport } from "../../src/report/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { Workspace } from "./support/index.ts";

guardLeaks();

const SHORT = ["--requests", "2000", "--warmup", "10ms"];

function reportOf(text: string): BenchReport {
  return JSON.parse(text) as BenchReport;
}

for (const completion of ["event", "poll", "hybrid"]) {
  test(`bench block measures verified mixed work over several queues in threads, by ${completion}`, async (t) => {
    const space = new Workspace(t);
    const { socket } = await space.serve(["--size", "8M", "--queues", "4"]);
    const { code, stdout, stderr } = await space.run([
      ..."bench block --rw mix --queues 4 --threads 2 --depth 8 --verify --json --seed 7".split(
        " ",
      ),
      ...SHORT,
      "--completion",
      completion,
      socket,
    ]);
    assert.equal(code, 0, stderr);
    const report = reportOf(stdout);
    assert.equal(report.bench, "block");
    assert.ok(report.requests >= 2000, `${report.requests} requests`);
    assert.ok(report.seconds > 0);
    assert.equal(report.bytesPerSecond, (report.iops ?? 0) * 4096);
    const { min = 0, p50 = 0, p999 = 0, max = 0 } = report.latencyUs ?? {};
    assert.ok(
      min > 0 && min <= p50 && p50 <= p999 && p999 <= max,
      JSON.stringify(report.latencyUs),
    );
    assert.ok(!report.warnings.some((warning) => warning.includes("--verify")));
  });
}

test("bench block finds data that is not what was written", async (t) => {
  const space = new Workspace(t);
  const fault = ["--fault", "corrupt-read"];
  const { socket } = await space.serve(["--size", "1M", ...fault]);
  const { code, stderr } = await space.run([
    ..."bench block --verify --overwrite".split(" "),
    ...SHORT,
    socket,
  ]);
  assert.equal(code, 1, stderr);
  assert.match(stderr, /reading 4096 bytes at byte \d+: expected word 0x/);
});

test("bench block leaves a device with data on it alone", async (t) => {
  const space = new Workspace(t);
  writeFileSync(space.path("image"), Buffer.alloc(1 << 20, 1));
  const { socket } = await space.serve(["--image", "image"]);
  const { code, stderr } = await space.run([
    "bench",
    "block",
    socket,
    ...SHORT,
    "--rw",
    "randwrite",
  ]);
  assert.equal(code, 2, stderr);
  assert.match(stderr, /expected a blank device, there is data at byte 0; .* --overwrite/);
  assert.ok(readFileSync(space.path("image")).every((byte) => byte === 1));
});

test("bench block keeps to a rate", async (t) => {
  const space = new Workspace(t);
  const { socket } = await space.serve(["--size", "1M"]);
  const words = ["--rate", "1000", "--requests", "100", "--warmup", "1ms", "--completion", "event"];
  const { code, stdout } = await space.run(["bench", "block", socket, ...words, "--json"]);
  assert.equal(code, 0);
  const { iops = 0 } = reportOf(stdout);
  assert.ok(iops < 1100, `${iops} requests a second`);
});

test("bench block saves its result, and a later run is judged by it", async (t) => {
  const space = new Workspace(t);
  const { socket } = await space.serve(["--size", "1M"]);
  const bench = ["bench", "block", socket, ...SHORT];
  const saved = await space.run([...bench, "--json-file", "r.json", "--html", "r.html"]);
  assert.equal(saved.code, 0, saved.stderr);
  const report = reportOf(readFileSync(space.path("r.json"), "utf8"));
  assert.match(readFileSync(space.path("r.html"), "utf8"), /<polyline points="[\d., ]+"/);
  writeFileSync(space.path("high.json"), JSON.stringify({ ...report, iops: 1e9 }));
  writeFileSync(space.path("low.json"), JSON.stringify({ ...report, iops: 1 }));
  const worse = await space.run([...bench, "--baseline", "high.json"]);
  assert.equal(worse.code, 1);
  assert.match(worse.stderr, /expected iops of at least 900,000,000/);
  assert.equal((await space.run([...bench, "--baseline", "low.json"])).code, 0);
  const wrong = await space.run([...bench, "--baseline", "r.html"]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /expected a report of an earlier run/);
});

for (const [words, message] of [
  [["--queues", "2"], /expected 1 queue, which the device has, got 2/],
  [["--threads", "2"], /expected at most one thread a queue \(1\), got --threads 2/],
  [["--block-size", "1000"], /expected --block-size as a multiple of 512, got 1000/],
  [["--seconds", "1s", "--requests", "5"], /expected --seconds or --requests, got both/],
  [["--size", "2M"], /expected a size from 4096 .* to the device's 1048576 bytes, got 2097152/],
] as const) {
  test(`bench block ${words.join(" ")} is a usage error`, async (t) => {
    const space = new Workspace(t);
    const { socket } = await space.serve(["--size", "1M"]);
    const { code, stderr } = await space.run(["bench", "block", socket, ...words]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, message);
  });
}

test("a signal ends bench block, and a back-end that dies is said", async (t) => {
  const space = new Workspace(t);
  const { socket, server } = await space.serve(["--size", "1M", "-v"]);
  const first = space.start(["bench", "block", socket, "--seconds", "60s"]);
  await server.printed(/DRIVER_OK[^]*> VHOST_USER_SET_STATUS reply/);
  assert.equal((await first.stop("SIGINT")).code, 130);
  const second = space.start(["bench", "block", socket, "--seconds", "60s", "-v"]);
  await second.printed(/DRIVER_OK[^]*< VHOST_USER_SET_STATUS reply/);
  await server.stop("SIGKILL");
  const { code, stderr } = await second.result;
  assert.equal(code, 1);
  assert.match(stderr, /closed/);
});

for (const [what, device] of [
  ["tx", "sink"],
  ["rx", "source"],
  ["loop", "echo"],
] as const) {
  test(`bench net ${what} counts the frames of a device that is ${device}`, async (t) => {
    const space = new Workspace(t);
    const { socket } = await space.serve(["--mode", device], "net.sock", "net");
    const words = "--seconds 300ms --warmup 50ms --completion poll --json".split(" ");
    const { code, stdout, stderr } = await space.run(["bench", "net", what, socket, ...words]);
    assert.equal(code, 0, stderr);
    const { framesPerSecond = 0, sentFramesPerSecond, warnings } = reportOf(stdout);
    assert.ok(framesPerSecond > 100, `${framesPerSecond} frames a second`);
    assert.equal(sentFramesPerSecond === undefined, what !== "loop");
    assert.ok(!warnings.includes("no frame passed"));
  });
}

test("bench connect measures sessions, phase by phase", async (t) => {
  const space = new Workspace(t);
  const { socket } = await space.serve(["--size", "1M"]);
  const words = ["bench", "connect", socket, "--requests", "20"];
  const { code, stdout, stderr } = await space.run([...words, "--json"]);
  assert.equal(code, 0, stderr);
  const { requests, sessionsPerSecond = 0, phasesUs = {}, latencyUs } = reportOf(stdout);
  assert.equal(requests, 20);
  assert.ok(sessionsPerSecond > 0);
  const [connect, first] = [phasesUs.connect?.p50 ?? 0, phasesUs.firstKick?.p50 ?? 0];
  assert.ok(connect > 0 && first > 0 && (latencyUs?.p50 ?? 0) > first, stdout);
  assert.match((await space.run(words)).stdout, /^[\d,]+ sessions\/s .*\nconnect {10}min/);
});

for (const workers of [[], ["--workers", "--look", "poll"]]) {
  test(`frames into a sink ${workers.join(" ")} are counted on both sides alike`, async (t) => {
    const space = new Workspace(t);
    const words = ["--mode", "sink", "--json", "--queues", "2", ...workers];
    const { socket, server } = await space.serve(words, "net.sock", "net");
    const sent = await space.run(
      ["io", "net", "send", socket, "--count", "1000", "--queues", "2"].concat("--json"),
    );
    assert.equal(sent.code, 0, sent.stderr);
    const { stdout } = await server.stop("SIGTERM");
    const { counters } = JSON.parse(stdout) as { counters: { txFrames: number; txBytes: number } };
    assert.equal(counters.txFrames, 1000);
    assert.ok(counters.txBytes >= 1000 * 18);
  });
}
