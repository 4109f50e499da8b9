import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { test } from "node:test";
import { guardLeaks } from "../support/leak-guard.ts";
import { Workspace } from "./support/index.ts";

guardLeaks();

const MIB = 1 << 20;

async function withDisk(t: test.TestContext, bytes = MIB, more: readonly string[] = []) {
  const space = new Workspace(t);
  const content = randomBytes(bytes);
  const image = space.file("disk.img", content);
  const { socket, server } = await space.serve(["--image", image, ...more]);
  const io = async (words: string, input?: Uint8Array) =>
    space.run(["io", "block", ...words.replace("SOCKET", socket).split(" ")], {
      ...(input && { input }),
    });
  return { space, content, image, socket, server, io };
}

test("read gives the image's bytes, and nothing else, on stdout", async (t) => {
  const { content, io } = await withDisk(t);
  const all = await io("read SOCKET --length 1M");
  assert.deepEqual([all.code, all.stderr], [0, ""]);
  assert.ok(all.bytes.equals(content));
  const some = await io("read SOCKET --offset 1K --length 2560");
  assert.ok(some.bytes.equals(content.subarray(1024, 1024 + 2560)));
  const first = await io("read SOCKET");
  assert.ok(first.bytes.equals(content.subarray(0, 512)), "one sector by default");
  const last = await io(`read SOCKET --offset ${MIB - 512} --length 512`);
  assert.ok(last.bytes.equals(content.subarray(MIB - 512)));
});

test("write takes standard input, and the image has it at its place", async (t) => {
  const { content, image, io } = await withDisk(t);
  const data = randomBytes(200 * 512);
  const { code, stdout, stderr } = await io("write SOCKET --offset 4K", data);
  assert.deepEqual([code, stdout], [0, ""]);
  assert.match(stderr, /^100 KiB written at byte 4096 and flushed\n$/);
  content.set(data, 4096);
  assert.ok(readFileSync(image).equals(content));
});

test("write waits for standard input that comes late", async (t) => {
  const { space, image, socket } = await withDisk(t);
  const fifo = space.path("fifo");
  execFileSync("mkfifo", [fifo]);
  const wrapper = ["sh", "-c", `exec "$0" "$@" <${fifo}`];
  const running = space.start(["io", "block", "write", socket], { wrapper });
  const input = await open(fifo, "w");
  // read(2) of descriptor 0: on x86-64 or arm64.
  const isReading = (): boolean =>
    /^(?:0|63) 0x0 /.test(readFileSync(`/proc/${running.pid}/syscall`, "utf8"));
  while (!isReading()) await new Promise((resolve) => setImmediate(resolve));
  const data = randomBytes(512);
  await input.write(data);
  await input.close();
  const { code, stderr } = await running.result;
  assert.equal(code, 0, stderr);
  assert.deepEqual(readFileSync(image).subarray(0, 512), data);
});

test("write takes a file, all of it or --length of it", async (t) => {
  const { space, content, image, io } = await withDisk(t);
  const data = randomBytes(3000);
  space.file("data", data);
  assert.equal((await io("write SOCKET --in data --length 1K")).code, 0);
  content.set(data.subarray(0, 1024));
  assert.ok(readFileSync(image).equals(content));
});

test("write refuses input that is not whole sectors, too short or missing; nothing changes", async (t) => {
  const { space, content, image, io } = await withDisk(t);
  space.file("data", randomBytes(1000));
  space.file("empty", "");
  const refused: readonly (readonly [string, RegExp])[] = [
    ["write SOCKET --in data", /data has 1000 bytes, which is not a positive multiple of 512/],
    ["write SOCKET --in data --length 1K", /--length 1024 is more than the 1000 bytes of data/],
    [
      "write SOCKET --in data --length 100",
      /--length must be a positive multiple of 512 bytes, not 100/,
    ],
    [
      "write SOCKET --in data --length 512 --offset 100",
      /--offset must be a multiple of 512 bytes, not 100/,
    ],
    [
      `write SOCKET --in data --length 512 --offset 1M`,
      /beyond the end of the disk, which has 1048576 bytes/,
    ],
    ["write SOCKET --in empty", /empty has 0 bytes/],
    ["write SOCKET", /standard input has 0 bytes/],
    ["write SOCKET --in none", /none cannot be used as an input file: there is no such file/],
    [`write SOCKET --in .`, /\. cannot be used as an input file: it is a folder/],
    ["read SOCKET --length 100", /--length must be a positive multiple of 512 bytes, not 100/],
    ["read SOCKET --offset 1 --length 512", /--offset must be a multiple of 512 bytes, not 1/],
    [
      `read SOCKET --offset ${MIB - 512} --length 1K`,
      /1024 bytes at 1048064 go beyond the end of the disk, which has 1048576 bytes/,
    ],
    ["read SOCKET --offset 8P", /"8P" is not a size/],
    ["read SOCKET --length 1000000G", /beyond the end of the disk/],
    ["discard SOCKET --length 700", /positive multiple of 512 bytes, not 700/],
    ["discard SOCKET --length 0", /positive multiple of 512 bytes, not 0/],
    ["read SOCKET --length 0", /positive multiple of 512 bytes, not 0/],
    ["write-zeroes SOCKET --length 2M", /beyond the end of the disk/],
  ];
  for (const [words, says] of refused) {
    const { code, stdout, stderr } = await io(words);
    assert.match(stderr, says, words);
    assert.deepEqual([code, stdout], [2, ""], words);
  }
  assert.ok(readFileSync(image).equals(content));
});

test("--out makes a file and leaves an existing one alone, unless --force", async (t) => {
  const { space, content, io } = await withDisk(t);
  const made = await io("read SOCKET --length 4K --out copy");
  assert.deepEqual([made.code, made.stdout], [0, ""]);
  assert.match(made.stderr, /4 KiB at byte 0 saved to copy/);
  assert.ok(readFileSync(space.path("copy")).equals(content.subarray(0, 4096)));

  const mine = space.file("mine", "do not touch");
  const before = statSync(mine);
  const refused = await io("read SOCKET --out mine");
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /mine already exists; it was not changed: choose/);
  assert.equal(readFileSync(mine, "utf8"), "do not touch");
  const after = statSync(mine);
  assert.deepEqual([after.ino, after.mtimeMs], [before.ino, before.mtimeMs]);

  assert.equal((await io("read SOCKET --out mine --force")).code, 0);
  assert.ok(readFileSync(mine).equals(content.subarray(0, 512)));
  const nowhere = await io("read SOCKET --out none/copy");
  assert.match(
    nowhere.stderr,
    /none\/copy cannot be used as an output file: there is no folder none; make it first: mkdir/,
  );
  assert.equal(nowhere.code, 2);
});

test("a read that fails leaves no file behind", async (t) => {
  const space = new Workspace(t);
  const { socket } = await space.serve(["--fault", "device-io-error"]);
  const { code, stderr } = await space.run(["io", "block", "read", socket, "--out", "copy"]);
  assert.match(stderr, /VIRTIO_BLK_S_IOERR/);
  assert.equal(code, 1);
  assert.equal(existsSync(space.path("copy")), false);
});

test("flush and id", async (t) => {
  const { io } = await withDisk(t);
  const flush = await io("flush SOCKET");
  assert.deepEqual([flush.code, flush.stdout, flush.stderr], [0, "", ""]);
  const id = await io("id SOCKET");
  assert.deepEqual([id.code, id.stdout, id.stderr], [0, "vhost-user\n", ""]);
});

test("discard gives room back; write-zeroes makes a range zero, and no byte around it", async (t) => {
  const { content, image, io } = await withDisk(t);
  const zero = await io("write-zeroes SOCKET --offset 512 --length 1K");
  assert.deepEqual([zero.code, zero.stdout], [0, ""]);
  assert.match(zero.stderr, /1 KiB zeroed at byte 512/);
  content.fill(0, 512, 1536);
  assert.ok(readFileSync(image).equals(content));
  assert.equal((await io("write-zeroes SOCKET --offset 64K --length 64K --unmap")).code, 0);
  content.fill(0, 65_536, 131_072);
  assert.ok(readFileSync(image).equals(content));
  const blocks = statSync(image).blocks;
  const discard = await io("discard SOCKET --offset 512K --length 512K");
  assert.match(discard.stderr, /512 KiB discarded at byte 524288/);
  assert.equal(discard.code, 0);
  assert.ok(
    readFileSync(image)
      .subarray(0, MIB / 2)
      .equals(content.subarray(0, MIB / 2)),
  );
  assert.ok(statSync(image).blocks < blocks, "the file has as many blocks as before");
  assert.equal(statSync(image).size, MIB);
});

test("a read-only disk can be read, and refuses every change", async (t) => {
  const { content, image, io } = await withDisk(t, MIB, ["--read-only"]);
  assert.ok((await io("read SOCKET --length 4K")).bytes.equals(content.subarray(0, 4096)));
  const write = await io("write SOCKET", Buffer.alloc(512));
  assert.equal(write.code, 1);
  assert.match(write.stderr, /VIRTIO_BLK_S_IOERR/);
  for (const words of ["discard SOCKET --length 512", "write-zeroes SOCKET --length 512"]) {
    const { code, stderr } = await io(words);
    assert.match(stderr, /the device does not offer VIRTIO_BLK_F_/);
    assert.equal(code, 2);
  }
  const verify = await io("verify SOCKET --overwrite");
  assert.match(verify.stderr, /the device is read-only/);
  assert.equal(verify.code, 2);
  assert.ok(readFileSync(image).equals(content));
});

test("-v prints each message with its name, to stderr only", async (t) => {
  const { content, io, server } = await withDisk(t, MIB, ["-v"]);
  const { code, bytes, stderr } = await io("read SOCKET -v");
  assert.equal(code, 0);
  assert.ok(bytes.equals(content.subarray(0, 512)));
  for (const line of [
    /^> .*VHOST_USER_GET_FEATURES/m,
    /^< .*VHOST_USER_GET_FEATURES.*VIRTIO_BLK_F_FLUSH/m,
    /^> .*VHOST_USER_SET_VRING_KICK/m,
    /^> .*VHOST_USER_GET_CONFIG/m,
  ]) {
    assert.match(stderr, line);
  }
  assert.match(server.stderr, /Z < VHOST_USER_GET_FEATURES/m);
});

test("two front-ends use one disk at the same time", async (t) => {
  const { content, io } = await withDisk(t, MIB, ["--queues", "4"]);
  const results = await Promise.all([io("read SOCKET --length 1M"), io("read SOCKET --length 1M")]);
  for (const { code, bytes } of results) {
    assert.equal(code, 0);
    assert.ok(bytes.equals(content));
  }
});
