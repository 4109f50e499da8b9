/** Programs on libblkio: qemu-img, qemu-io and qemu-nbd with its driver, and nbdkit's plugin. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { promisify } from "node:util";
import { blockKind } from "../../src/endpoints/devices/block/kind.ts";
import { ManagedProcess, startListening } from "../../src/lab/programs/index.ts";
import { Workspace } from "../integration/support/index.ts";
import { judgedFrontend, unexpected } from "../programs/support/conform.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { sha256 } from "../support/sha256.ts";
import { inTree, MODULES, needsInTree, root, treeWords } from "./support/index.ts";

guardLeaks();

const DISK_BYTES = 16 << 20;
const VARIABLE = `QEMU_MODULE_DIR=${join(root ?? "/", MODULES)}`;
const PLUGIN = "usr/lib/x86_64-linux-gnu/nbdkit/plugins/nbdkit-blkio-plugin.so";
const skip =
  needsInTree("usr/bin/qemu-img") ||
  needsInTree(join(MODULES, "block-blkio.so")) ||
  needsInTree(PLUGIN);
const run = promisify(execFile);

/** Runs a program of QEMU to its end; resolves with what it prints. */
async function tool(name: string, ...words: readonly string[]): Promise<string> {
  const [program = "", ...first] = treeWords(`usr/bin/${name}`, VARIABLE);
  const { stdout } = await run(program, [...first, ...words], { timeout: 60_000 });
  return stdout;
}

/** A disk of noise in front of which `serve block` listens. */
async function disk(t: TestContext) {
  const space = new Workspace(t);
  const image = space.file("disk.img", randomBytes(DISK_BYTES));
  const { socket } = await space.serve(["--image", image]);
  const options = `driver=virtio-blk-vhost-user,path=${socket},cache.direct=on`;
  return { space, image, socket, options };
}

/** Copies what an NBD server has, and compares its checksum with the image's. */
async function nbdServerHasDisk(
  space: Workspace,
  image: string,
  words: (listen: string) => readonly string[],
): Promise<void> {
  const listen = space.path("nbd.sock");
  const [program = "", ...args] = words(listen);
  const start = () => ManagedProcess.spawn(program, args);
  await using _server = await startListening(listen, start, {});
  const copy = space.path("copy.img");
  await tool("qemu-img", "convert", "-O", "raw", `nbd+unix:///?socket=${listen}`, copy);
  assert.equal(sha256(copy), sha256(image));
}

test("qemu-img copies the disk of serve block in both directions", { skip }, async (t) => {
  const { space, image, options } = await disk(t);
  const info = await tool("qemu-img", "info", "--image-opts", options);
  assert.match(info, new RegExp(`\\(${DISK_BYTES} bytes\\)`));
  const copy = space.path("copy.img");
  await tool("qemu-img", "convert", "-O", "raw", "--image-opts", options, copy);
  assert.equal(sha256(copy), sha256(image));
  const other = space.file("other.img", randomBytes(DISK_BYTES));
  const target = ["--target-image-opts", other, options];
  await tool("qemu-img", "convert", "-n", "-f", "raw", ...target);
  assert.equal(sha256(image), sha256(other));
});

test(
  "qemu-io writes, zeroes, discards and flushes the disk of serve block",
  { skip },
  async (t) => {
    const { image, options } = await disk(t);
    const commands = [
      "write -P 0x5a 1M 1M",
      "write -z 4M 64k",
      "write -z -u 5M 64k",
      "discard 6M 1M",
      "aio_write -P 7 8M 64k",
      "aio_write -P 8 9M 64k",
      "aio_flush",
      "read -P 7 8M 64k",
      "flush",
    ];
    const words = commands.flatMap((command) => ["-c", command]);
    const printed = await tool("qemu-io", "--image-opts", options, ...words);
    assert.doesNotMatch(printed, /failed|error/i);
    const bytes = readFileSync(image);
    for (const [at, length, value] of [
      [1 << 20, 1 << 20, 0x5a],
      [4 << 20, 64 << 10, 0],
      [5 << 20, 64 << 10, 0],
      [8 << 20, 64 << 10, 7],
      [9 << 20, 64 << 10, 8],
    ] as const) {
      const part = bytes.subarray(at, at + length);
      assert.ok(part.equals(Buffer.alloc(length, value)), `bytes from ${at} on`);
    }
  },
);

test("qemu-nbd exports the disk of serve block", { skip }, async (t) => {
  const { space, image, options } = await disk(t);
  await nbdServerHasDisk(space, image, (listen) => [
    ...treeWords("usr/bin/qemu-nbd", VARIABLE),
    "-k",
    listen,
    "--image-opts",
    options,
  ]);
});

test("nbdkit's blkio plugin exports the disk of serve block", { skip }, async (t) => {
  const { space, image, socket } = await disk(t);
  await nbdServerHasDisk(space, image, (listen) => [
    ...treeWords("usr/bin/nbdkit"),
    "-f",
    "-U",
    listen,
    join(root ?? "/", PLUGIN),
    "virtio-blk-vhost-user",
    `path=${socket}`,
  ]);
});

test("the front-end of libblkio is judged as its baseline says", { skip }, async () => {
  const server = "-t -k {dir}/nbd.sock --image-opts";
  const options = "driver=virtio-blk-vhost-user,path={socket},cache.direct=on";
  const command = `${inTree("usr/bin/qemu-nbd", VARIABLE)} ${server} ${options}`;
  const results = await judgedFrontend(blockKind, command);
  assert.deepEqual(unexpected(results, "libblkio-1.5"), []);
  const verdicts = new Map(results.map(({ id, verdict }) => [id, verdict]));
  for (const id of ["fe/14", "fe/15", "fe/22", "fe/30", "fe/31"]) {
    assert.equal(verdicts.get(id), "PASS", id);
  }
});
