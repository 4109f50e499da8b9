import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { BackendServer } from "../../src/endpoints/backend/index.ts";
import { BlockDevice } from "../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../src/endpoints/storage/index.ts";
import type { BenchReport } from "../../src/lab/results/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { parseDocument } from "../support/published-schemas.ts";
import { commandPath, Workspace } from "./support/index.ts";

guardLeaks();

const SHORT = ["--count", "2000", "--warmup", "10ms"];

function reportOf(text: string): BenchReport {
  return parseDocument("bench", text);
}

for (const ringMode of ["event", "poll", "hybrid"]) {
  test(`bench block measures verified mixed work over several queues in threads, by ${ringMode}`, async (t) => {
    const space = new Workspace(t);
    const { socket } = await space.serve(["--size", "8M", "--queues", "4"]);
    const { code, stdout, stderr } = await space.run([
      ..."bench block --rw mix --queues 4 --threads 2 --depth 8 --verify --json --seed 7".split(
        " ",
      ),
      ...SHORT,
      "--ring-mode",
      ringMode,
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

test("--warmup 0 counts from the first request on, in every load", async (t) => {
  const space = new Workspace(t);
  const { socket: disk } = await space.serve(["--size", "1M"]);
  const { socket: card } = await space.serve(["--traffic", "sink"], "net.sock", "net");
  const load = `${process.execPath} ${commandPath} bench block {socket} --count 200 --warmup 0 -q`;
  const backend = ["bench", "backend", "block", "--null", "--runtime", "60s", "--load", load];
  for (const words of [
    ["bench", "block", disk, "--count", "200"],
    ["bench", "net", "tx", card, "--runtime", "50ms"],
    backend,
  ]) {
    const { code, stdout, stderr } = await space.run([...words, "--warmup", "0", "--json"]);
    assert.equal(code, 0, stderr);
    const { options, requests } = reportOf(stdout);
    assert.equal(options["warmUpMs"], 0);
    assert.ok(
      requests >= (words === backend ? 1 : 200),
      `${words.join(" ")}: ${requests} requests`,
    );
  }
});

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
  assert.match(stderr, /the device is not blank: there is data at byte 0; add --overwrite/);
  assert.ok(readFileSync(space.path("image")).every((byte) => byte === 1));
});

test("bench block keeps to a rate", async (t) => {
  const space = new Workspace(t);
  const { socket } = await space.serve(["--size", "1M"]);
  const words = ["--rate", "1000", "--count", "100", "--warmup", "1ms", "--ring-mode", "event"];
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
  writeFileSync(space.path("partial.json"), JSON.stringify({ ...report, partial: true }));
  const early = await space.run([...bench, "--baseline", "partial.json"]);
  assert.equal(early.code, 2);
  assert.match(early.stderr, /partial\.json is the result of a run that ended early/);
  const other = ["--baseline", "low.json", "--rw", "write", "--block-size", "64K", "--depth", "1"];
  const refused = await space.run([...bench, ...other]);
  assert.equal(refused.code, 2);
  assert.equal(refused.stdout, "");
  assert.match(
    refused.stderr,
    /low\.json measured another workload: rw randread \(now write\), blockSize 4096 \(now 65536\), depth 16 \(now 1\)/,
  );
  const wrong = await space.run([...bench, "--baseline", "r.html"]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /is not a report of an earlier run/);
});

for (const [words, message] of [
  [["--queues", "2"], /the device has 1 queue; use at most as many, not 2/],
  [["--threads", "2"], /--threads 2 is more than --queues 1/],
  [["--block-size", "1000"], /--block-size must be a positive multiple of 512 bytes, not 1000/],
  [["--runtime", "1s", "--count", "5"], /--runtime and --count cannot be combined/],
  [["--rwmixread", "50"], /--rwmixread cannot be combined with --rw randread/],
  [
    ["--length", "2M"],
    /the length must be from 4096 .* to the 1048576 bytes of the device, and is 2097152/,
  ],
] as const) {
  test(`bench block ${words.join(" ")} is a usage error`, async (t) => {
    const space = new Workspace(t);
    const { socket } = await space.serve(["--size", "1M", "--queues", "1"]);
    const { code, stderr } = await space.run(["bench", "block", socket, ...words]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, message);
  });
}

test("bench block takes fio's words for its workload, and prints it", async (t) => {
  const space = new Workspace(t);
  const { socket } = await space.serve(["--size", "1M"]);
  const fio =
    "--rw=randrw --rwmixread=80 --block-size=8k --depth=4 --runtime=1100ms --warmup 200ms";
  const words = ["bench", "block", socket, "--overwrite", "--json-file", "r.json"];
  const { code, stdout, stderr } = await space.run([...words, ...fio.split(" ")]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^block: randrw 8 KiB, 80 % reads, depth 4, 1 queue, 1 thread,/);
  const { options, perSecond, requests, partial } = reportOf(
    readFileSync(space.path("r.json"), "utf8"),
  );
  const { rw, readPercent, blockSize, depth } = options;
  assert.deepEqual([rw, readPercent, blockSize, depth], ["randrw", 80, 8192, 4]);
  assert.equal(partial, false);
  // The second that is not complete counts, and the warm-up does not.
  assert.equal(perSecond.length, 2);
  assert.equal((perSecond[0] ?? 0) + (perSecond[1] ?? 0), requests);
});

test("bench block --rw write has nothing to say of data that is read", async (t) => {
  const space = new Workspace(t);
  const { socket } = await space.serve(["--size", "1M"]);
  const { code, stderr } = await space.run(["bench", "block", socket, "--rw", "write", ...SHORT]);
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stderr, /read|verify/);
});

test("bench block --rw write --verify reads back what it wrote", async (t) => {
  const space = new Workspace(t);
  const { socket } = await space.serve(["--size", "1M"]);
  const words = ["--rw", "write", "--verify", "--overwrite", ...SHORT];
  const good = await space.run(["bench", "block", socket, ...words]);
  assert.equal(good.code, 0, good.stderr);
  const fault = ["--size", "1M", "--fault", "corrupt-read"];
  const { socket: bad } = await space.serve(fault, "bad.sock");
  const { code, stderr } = await space.run(["bench", "block", bad, ...words]);
  assert.equal(code, 1, stderr);
  assert.match(stderr, /data differs at byte \d+/);
});

for (const [name, words, device] of [
  ["by event in a split ring", ["block", "--ring-mode", "event"], "block"],
  ["by poll in a packed ring", ["block", "--ring-mode", "poll", "--packed"], "block"],
  ["while it looks for data", ["block", "--rw", "write"], "block"],
  ["in a session", ["connect"], "block"],
  ["for frames", ["net", "tx"], "net"],
] as const) {
  test(`bench fails with a back-end that never completes, and says what is in flight (${name})`, async (t) => {
    const space = new Workspace(t);
    const { socket } = await space.serve(["--fault", "never-complete"], "s", device);
    const command = ["bench", ...words, socket, "--stall-timeout", "300ms", "--json"];
    const { code, stdout, stderr } = await space.run(command);
    assert.equal(code, 1, stderr);
    assert.equal(stdout, "");
    assert.match(
      stderr,
      /nothing completed within 0\.3 s: queue [01] has \d+ in flight and has completed none since \d\d:\d\d:\d\d/,
    );
  });
}

for (const json of [[], ["--json"]]) {
  test(`a signal has bench block print what it has ${json.join("")}, marked partial`, async (t) => {
    const space = new Workspace(t);
    const socket = space.path("disk.sock");
    const storage = BlockStorage.memory(1 << 20);
    const device = new BlockDevice({ storage });
    const server = await BackendServer.listen(socket, { device: () => device });
    t.after(() => {
      server.close();
      storage.close();
    });
    const words = ["bench", "block", socket, "--runtime", "60s", "--warmup", "1ms", ...json];
    const running = space.start([...words, "--json-file", "r.json"]);
    const requests = device.requests + 1000;
    while (device.requests < requests) await new Promise(setImmediate);
    const { code, stdout, stderr } = await running.stop("SIGINT");
    assert.equal(code, 130);
    assert.match(stderr, /vhost-user: interrupted by SIGINT\n$/);
    if (json.length === 0)
      assert.match(stdout, /^block: .*\npartial result: interrupted by SIGINT\n[\d,]+ IOPS/);
    const report = reportOf(
      json.length === 0 ? readFileSync(space.path("r.json"), "utf8") : stdout,
    );
    assert.deepEqual([report.partial, report.endedBy], [true, "interrupted by SIGINT"]);
    assert.ok(report.requests > 0, `${report.requests} requests`);
  });
}

test("a signal ends bench block, and a back-end that dies is said", async (t) => {
  const space = new Workspace(t);
  const { socket, server } = await space.serve(["--size", "1M", "-v"]);
  const first = space.start(["bench", "block", socket, "--runtime", "60s"]);
  await server.printed(/DRIVER_OK[^]*> VHOST_USER_SET_STATUS reply/);
  assert.equal((await first.stop("SIGINT")).code, 130);
  const second = space.start(["bench", "block", socket, "--runtime", "60s", "-v"]);
  await second.printed(/DRIVER_OK[^]*< VHOST_USER_SET_STATUS reply/);
  await second.runFor(20);
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
    const { socket } = await space.serve(["--traffic", device], "net.sock", "net");
    const words = "--runtime 300ms --warmup 50ms --ring-mode poll --json".split(" ");
    const { code, stdout, stderr } = await space.run(["bench", "net", what, socket, ...words]);
    assert.equal(code, 0, stderr);
    const { framesPerSecond = 0, sentFramesPerSecond, warnings, ...rest } = reportOf(stdout);
    assert.ok(framesPerSecond > 100, `${framesPerSecond} frames a second`);
    assert.equal(sentFramesPerSecond === undefined, what !== "loop");
    assert.deepEqual(rest.perSecond, [rest.requests]);
    const unread = warnings.filter((warning) => warning.includes("not compared"));
    assert.equal(unread.length, what === "tx" ? 0 : 1);
  });
}

for (const [what, device, message] of [
  ["rx", "sink", /no frame was received after the warm-up/],
  ["loop", "sink", /the back-end returned no frame after the warm-up/],
] as const) {
  test(`bench net ${what} fails when nothing comes from the back-end`, async (t) => {
    const space = new Workspace(t);
    const { socket } = await space.serve(["--traffic", device], "net.sock", "net");
    const words = ["bench", "net", what, socket, "--runtime", "100ms", "--warmup", "1ms"];
    const { code, stderr } = await space.run(words);
    assert.equal(code, 1);
    assert.match(stderr, message);
  });
}

test("bench connect measures sessions, phase by phase", async (t) => {
  const space = new Workspace(t);
  const { socket } = await space.serve(["--size", "1M"]);
  const words = ["bench", "connect", socket, "--count", "20"];
  const { code, stdout, stderr } = await space.run([...words, "--json"]);
  assert.equal(code, 0, stderr);
  const { requests, sessionsPerSecond = 0, phasesUs = {}, latencyUs } = reportOf(stdout);
  assert.equal(requests, 20);
  assert.ok(sessionsPerSecond > 0);
  const [connect, first] = [phasesUs.connect?.p50 ?? 0, phasesUs.firstKick?.p50 ?? 0];
  assert.ok(connect > 0 && first > 0 && (latencyUs?.p50 ?? 0) > first, stdout);
  assert.equal(
    reportOf(stdout).perSecond.reduce((sum, count) => sum + count, 0),
    20,
  );
  assert.match(
    (await space.run(words)).stdout,
    /^connect: 20 sessions, one after another\n[\d,]+ sessions\/s .*\nconnect {10}min/,
  );
});

for (const workers of [[], ["--workers", "--ring-mode", "poll"]]) {
  test(`frames into a sink ${workers.join(" ")} are counted on both sides alike`, async (t) => {
    const space = new Workspace(t);
    const words = ["--traffic", "sink", "--json", "--queues", "2", ...workers];
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
