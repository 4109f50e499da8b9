import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { BackendServer } from "../../src/endpoints/backend/index.ts";
import { BlockDevice } from "../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../src/endpoints/storage/index.ts";
import { findMismatch } from "../../src/lab/workloads/pattern.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { parseDocument } from "../support/published-schemas.ts";
import { type Result, Workspace } from "./support/index.ts";

guardLeaks();

const SIZE = 4 << 20;
const quick = ["--length", "4M", "--depth", "16", "--ring-mode", "event", "--seed", "7"];

async function verify(
  t: test.TestContext,
  served: readonly string[],
  args: readonly string[] = quick,
): Promise<Result> {
  const space = new Workspace(t);
  const { socket } = await space.serve(["--size", "4M", ...served]);
  return space.run(["io", "block", "verify", socket, ...args]);
}

/** Are the image's bytes the pattern's? */
function hasPattern(path: string, seed: number): boolean {
  const bytes = new Uint8Array(readFileSync(path));
  return findMismatch(new Int32Array(bytes.buffer), seed, 0) < 0;
}

test("verify goes through all depths and completions, and prints a line for each", async (t) => {
  const { code, stdout, stderr } = await verify(t, [], ["--length", "2M"]);
  assert.equal(code, 0);
  assert.match(stderr, /^seed \d+\n$/);
  const lines = stdout.trimEnd().split("\n");
  assert.deepEqual(
    lines.map((line) => /^depth +(\d+), (\w+) /.exec(line)?.slice(1).join(" ")),
    ["1 poll", "16 poll", "128 poll", "1 event", "16 event", "128 event"],
  );
  for (const line of lines) assert.match(line, /write +\d+ MiB\/s .* \d+ MiB\/s +2 MiB verified$/);
});

test("verify --json is one document with every case", async (t) => {
  const { code, stdout, stderr } = await verify(t, [], [...quick, "--json", "--quiet"]);
  assert.deepEqual([code, stderr], [0, ""]);
  const { results, ...rest } = parseDocument<{ results: Record<string, unknown>[] }>(
    "io-block-verify",
    stdout,
  );
  const head = ["schemaVersion", "kind", "socket", "seed", "verified", "partial"];
  assert.deepEqual(Object.keys(rest), head);
  assert.equal(results.length, 1);
  assert.deepEqual(Object.keys(results[0] ?? {}), [
    "depth",
    "ringMode",
    "bytes",
    "writeMiBs",
    "readMiBs",
  ]);
  assert.equal(results[0]?.["bytes"], SIZE);
});

for (const json of [[], ["--json"]]) {
  test(`a signal has verify say which cases are verified ${json.join("")}, marked partial`, async (t) => {
    const space = new Workspace(t);
    const socket = space.path("disk.sock");
    const storage = BlockStorage.memory(2 ** 40, { isNull: true });
    const device = new BlockDevice({ storage });
    const server = await BackendServer.listen(socket, { device: () => device });
    t.after(() => {
      server.close();
      storage.close();
    });
    const words = ["io", "block", "verify", socket, "--depth", "1,2", "--ring-mode", "event"];
    const running = space.start([...words, ...json]);
    while (device.requests === 0) await new Promise(setImmediate);
    const { code, stdout } = await running.stop("SIGINT");
    assert.equal(code, 130);
    if (json.length === 0) {
      const line = "partial result: interrupted by SIGINT, 0 of 2 cases verified\n";
      return assert.equal(stdout, line);
    }
    const { partial, verified, endedBy } = parseDocument("io-block-verify", stdout);
    assert.deepEqual([partial, verified, endedBy], [true, false, "interrupted by SIGINT"]);
  });
}

test("what verify wrote is in the image", async (t) => {
  const space = new Workspace(t);
  const image = space.file("disk.img", new Uint8Array(SIZE));
  const { socket, server } = await space.serve(["--image", image]);
  const args = ["--depth", "1,128", "--ring-mode", "poll", "--seed", "7"];
  assert.equal((await space.run(["io", "block", "verify", socket, ...args])).code, 0);
  assert.ok(hasPattern(image, 8), "the second case has another pattern");
  assert.equal((await server.stop("SIGTERM")).code, 0);
  assert.ok(hasPattern(image, 8));
  assert.equal(hasPattern(image, 7), false);
});

test("odd sizes and block sizes are covered to the last sector", async (t) => {
  const space = new Workspace(t);
  const bytes = 1_000_448;
  const image = space.file("disk.img", new Uint8Array(bytes));
  const { socket } = await space.serve(["--image", image]);
  const args = ["--depth", "3", "--block-size", "1536", "--seed", "9", "--ring-mode", "event"];
  assert.equal((await space.run(["io", "block", "verify", socket, ...args])).code, 0);
  assert.ok(hasPattern(image, 9));
});

test("a device that is not blank is refused without --overwrite, and not changed", async (t) => {
  const space = new Workspace(t);
  for (const offset of [0, 2 << 20, SIZE - 4]) {
    const content = Buffer.alloc(SIZE);
    content.writeUInt8(1, offset);
    const image = space.file("disk.img", content);
    const { socket, server } = await space.serve(["--image", image]);
    const refused = await space.run(["io", "block", "verify", socket, ...quick]);
    assert.match(
      refused.stderr,
      new RegExp(`the device is not blank: there is data at byte ${offset}; add --overwrite`),
    );
    assert.deepEqual([refused.code, refused.stdout], [2, ""]);
    assert.ok(readFileSync(image).equals(content));
    if (offset === 0) {
      const taken = await space.run(["io", "block", "verify", socket, ...quick, "--overwrite"]);
      assert.equal(taken.code, 0);
      assert.ok(hasPattern(image, 7));
    }
    await server.stop();
  }
});

test("data behind --length is left alone, and does not cause a refusal", async (t) => {
  const space = new Workspace(t);
  const content = Buffer.alloc(2 * SIZE);
  const tail = randomBytes(SIZE);
  content.set(tail, SIZE);
  const image = space.file("disk.img", content);
  const { socket } = await space.serve(["--image", image]);
  assert.equal((await space.run(["io", "block", "verify", socket, ...quick])).code, 0);
  assert.ok(readFileSync(image).subarray(SIZE).equals(tail));
});

for (const size of ["5M", "1000", "0"]) {
  test(`a --length of ${size} that the device cannot have is refused`, async (t) => {
    const { code, stderr } = await verify(t, [], ["--length", size]);
    assert.match(
      stderr,
      /the length must be a multiple of 512 up to the 4194304 bytes of the device/,
    );
    assert.equal(code, 2);
  });
}

test("a device that returns wrong data is caught, and the offset is named", async (t) => {
  const findings: Readonly<Record<string, RegExp>> = {
    "corrupt-read": /byte \d+: expected 0x[0-9a-f]{8}, got 0x[0-9a-f]{8} \(seed 7\)/,
    "corrupt-write": /data differs at byte \d+: expected .*, got .* \(seed 7\)/,
    "lost-write": /data differs at byte 0: expected 0x[0-9a-f]{8}, got 0x00000000 \(seed 7\)/,
  };
  for (const [fault, says] of Object.entries(findings)) {
    await t.test(fault, async (inner) => {
      const { code, stdout, stderr } = await verify(
        inner,
        ["--fault", fault],
        [...quick, "--overwrite"],
      );
      assert.match(stderr, says);
      assert.deepEqual([code, stdout], [1, ""]);
    });
  }
});

test("a fault in the handshake is an unreachable target, a fault in I/O a failure", async (t) => {
  const codes: Readonly<Record<string, readonly [code: number, says: RegExp]>> = {
    "no-reply@GET_FEATURES": [3, /VHOST_USER_GET_FEATURES.*1000 ms.*peer is pid \d+ \(node\)/],
    "no-reply@GET_CONFIG": [3, /VHOST_USER_GET_CONFIG.*1000 ms.*peer is pid \d+ \(node\)/],
    "cut-reply@GET_FEATURES": [3, /closed/],
    "cut-reply@GET_CONFIG": [3, /closed/],
    "close-before-reply@GET_PROTOCOL_FEATURES": [3, /closed/],
    "wrong-request-number@GET_FEATURES": [3, /expected .* got/],
    "wrong-version@GET_FEATURES": [3, /expected .* got/],
    "missing-reply-flag@GET_CONFIG": [3, /expected .* got/],
    "short-payload@GET_FEATURES": [3, /expected .* got/],
    "features-garbage": [3, /VIRTIO_F_VERSION_1/],
    "ack-failure@SET_VRING_KICK": [3, /VHOST_USER_SET_VRING_KICK/],
    "refuse@ADD_MEM_REG": [3, /VHOST_USER_ADD_MEM_REG/],
    "used-id-out-of-range": [1, /the device broke the rules of queue 0: .*VIRTIO 2/],
    "used-index-jump": [1, /the device broke the rules of queue 0: .*VIRTIO 2/],
    "used-id-twice": [1, /the device broke the rules of queue 0: .*VIRTIO 2/],
    "device-io-error": [1, /VIRTIO_BLK_S_IOERR/],
    "never-complete": [1, /nothing completed within 1 s: queue 0 has \d+ in flight .* \(seed 7\)/],
    "drop-completion": [1, /nothing completed within 1 s: queue 0 has \d+ in flight .* \(seed 7\)/],
    "no-call": [1, /nothing completed within 1 s: queue 0 has \d+ in flight .* \(seed 7\)/],
    "split-reply": [0, /^seed 7\n$/],
    "late-reply=20": [0, /^seed 7\n$/],
    "spurious-calls": [0, /^seed 7\n$/],
    "need-reply-echoed": [0, /^seed 7\n$/],
  };
  for (const [fault, [expected, says]] of Object.entries(codes)) {
    await t.test(fault, async (inner) => {
      const { code, stderr } = await verify(
        inner,
        ["--fault", fault],
        [...quick, "--timeout", "1s", "--io-timeout", "1s"],
      );
      assert.match(stderr, says);
      assert.equal(code, expected);
      assert.doesNotMatch(stderr, /^\s+at /m, "a stack trace");
    });
  }
});

test("strict judges what lenient puts up with", async (t) => {
  const { code, stderr } = await verify(
    t,
    ["--fault", "need-reply-echoed"],
    [...quick, "--strict"],
  );
  assert.match(stderr, /flags must be without need_reply, not 0xd/);
  assert.equal(code, 3);
});

test("a back-end that ends in the middle is a failure, and says so", async (t) => {
  const space = new Workspace(t);
  const { socket, server } = await space.serve(["--size", "1G"]);
  const args = ["--length", "1G", "--depth", "1", "--ring-mode", "event", "--overwrite", "-v"];
  const running = space.start(["io", "block", "verify", socket, ...args]);
  // The client's side, not the server's: only now its handshake is over.
  await running.printed(/DRIVER_OK[^]*< VHOST_USER_SET_STATUS reply/);
  await running.runFor(20);
  await server.stop("SIGKILL");
  const { code, stderr } = await running.result;
  assert.match(stderr, /closed/);
  assert.equal(code, 1);
});
