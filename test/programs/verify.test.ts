import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, truncateSync } from "node:fs";
import { test } from "node:test";
import { fillPattern, findMismatch } from "../../src/lab/workloads/pattern.ts";
import { startStorageDaemon } from "../../src/lab/programs/index.ts";
import { Workspace } from "../integration/support/index.ts";
import { fullCount } from "../support/full-count.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { parseDocument } from "../support/published-schemas.ts";
import { needsProgram, sha256OfFile } from "./support/index.ts";

guardLeaks();

const MIB = fullCount(256, 16);
const SIZE = MIB << 20;
const SEED = 20_261;
/** Each of the six cases has its own pattern; the last one's stays on the disk. */
const LAST_SEED = SEED + 5;
const CASES = `--length ${MIB}M --depth 1,16,128 --ring-mode poll,event`;
const verifyAll = (socket: string): string[] =>
  `io block verify ${socket} ${CASES} --seed ${SEED} --json --quiet`.split(" ");

function emptyImage(space: Workspace): string {
  const path = space.file("disk.img", "");
  truncateSync(path, SIZE);
  return path;
}

/** The pattern, computed here again: as a checksum and word by word. */
function expectPattern(image: string): void {
  const words = new Int32Array(SIZE / 4);
  fillPattern(words, LAST_SEED, 0);
  assert.equal(sha256OfFile(image), createHash("sha256").update(words).digest("hex"));
  const bytes = new Uint8Array(readFileSync(image));
  assert.equal(findMismatch(new Int32Array(bytes.buffer, 0, SIZE / 4), LAST_SEED, 0), -1);
}

interface Case {
  readonly depth: number;
  readonly ringMode: string;
  readonly writeMiBs: number;
  readonly readMiBs: number;
}

function report(t: test.TestContext, stdout: string): void {
  const { verified, results } = parseDocument<{ verified: boolean; results: Case[] }>(
    "io-block-verify",
    stdout,
  );
  assert.equal(verified, true);
  assert.equal(results.length, 6);
  for (const { depth, ringMode, writeMiBs, readMiBs } of results) {
    const rates = `write ${writeMiBs.toFixed(0)}, read ${readMiBs.toFixed(0)} MiB/s`;
    t.diagnostic(`depth ${depth}, ${ringMode}: ${rates}`);
  }
}

test(`${MIB} MiB verify on the built-in back-end, and are in the image after its end`, async (t) => {
  const space = new Workspace(t);
  const image = emptyImage(space);
  const first = await space.serve(["--image", image]);
  const { code, stdout, stderr } = await space.run(verifyAll(first.socket));
  assert.deepEqual([code, stderr], [0, ""]);
  report(t, stdout);
  assert.equal((await first.server.stop("SIGTERM")).code, 0);
  expectPattern(image);
  const { socket } = await space.serve(["--image", image, "--read-only"]);
  const read = await space.run(["io", "block", "read", socket, "--length", `${MIB}M`]);
  assert.equal(createHash("sha256").update(read.bytes).digest("hex"), sha256OfFile(image));
});

test(
  `${MIB} MiB verify on qemu-storage-daemon, and are in the image after its restart`,
  { skip: needsProgram("qemu-storage-daemon") },
  async (t) => {
    const space = new Workspace(t);
    const imagePath = emptyImage(space);
    const socketPath = space.path("disk.sock");
    await using first = await startStorageDaemon({ socketPath, imagePath });
    const { code, stdout, stderr } = await space.run(verifyAll(socketPath));
    assert.deepEqual([code, stderr], [0, ""]);
    report(t, stdout);
    await first.stop();
    expectPattern(imagePath);
    await using _second = await startStorageDaemon({ socketPath, imagePath });
    const read = await space.run(["io", "block", "read", socketPath, "--length", `${MIB}M`]);
    assert.equal(createHash("sha256").update(read.bytes).digest("hex"), sha256OfFile(imagePath));
  },
);

test(
  "the client is content with qemu-storage-daemon in both levels",
  { skip: needsProgram("qemu-storage-daemon") },
  async (t) => {
    const space = new Workspace(t);
    const imagePath = emptyImage(space);
    const socketPath = space.path("disk.sock");
    await using _daemon = await startStorageDaemon({ socketPath, imagePath });
    for (const level of [[], ["--strict"]]) {
      const args = ["io", "block", "read", socketPath, "-v", ...level];
      const { code, stderr } = await space.run(args);
      assert.match(stderr, /^> VHOST_USER_SET_VRING_ENABLE/m);
      t.diagnostic(`${level.join("") || "lenient"}: ${stderr.trimEnd().split("\n").at(-1)}`);
      assert.equal(code, 0);
    }
  },
);
