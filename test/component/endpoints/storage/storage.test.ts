import assert from "node:assert/strict";
import fs, { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { UsageError } from "../../../../src/core/base/index.ts";
import { BlockStorage } from "../../../../src/endpoints/storage/index.ts";
import { Window } from "../../../../src/core/memory/index.ts";
import { addon, Mapping, SharedMemory } from "../../../../src/core/os/index.ts";
import { guardLeaks, takeResources } from "../../../support/leak-guard.ts";

guardLeaks();

function scratch(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "vhost-user-storage-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

function image(t: TestContext, size: number): string {
  const path = join(scratch(t), "image");
  writeFileSync(path, new Uint8Array(size).fill(0x11));
  return path;
}

function makeWindow(t: TestContext, size = 4096): Window {
  const memory = SharedMemory.create("window", size);
  const mapping = Mapping.map(memory.fd.fd, { offset: 0, length: size, writable: true });
  memory.close();
  t.after(() => mapping.unmap());
  return new Window(mapping);
}

test("an image must exist, be a positive multiple of 512 bytes, and be allowed", (t) => {
  const folder = scratch(t);
  assert.throws(() => BlockStorage.open(join(folder, "none")), { code: "ENOENT" });
  assert.throws(() => BlockStorage.open(folder), { code: "EISDIR" });
  const before = takeResources().descriptors.size;
  for (const size of [0, 1, 511, 513]) {
    const path = join(folder, `image-${size}`);
    writeFileSync(path, new Uint8Array(size));
    assert.throws(
      () => BlockStorage.open(path),
      (error) => {
        assert.ok(error instanceof UsageError);
        assert.match(
          error.message,
          new RegExp(`multiple of 512 bytes, not ${size}; make it longer with: truncate`),
        );
        return true;
      },
    );
  }
  assert.equal(takeResources().descriptors.size, before, "nothing stays open");
});

test("a folder or a device is not an image", (t) => {
  const before = takeResources().descriptors.size;
  for (const path of [scratch(t), "/dev/zero"]) {
    assert.throws(() => BlockStorage.open(path, { readOnly: true }), {
      code: "ERR_VHOST_USAGE",
      message: /is not a regular file/,
    });
  }
  assert.equal(takeResources().descriptors.size, before);
});

test("memory must be a positive multiple of 512 bytes", () => {
  for (const size of [0, -512, 511, 513, Number.NaN]) {
    assert.throws(() => BlockStorage.memory(size), UsageError, String(size));
  }
});

test("a read-only image is opened for reading only", (t) => {
  const storage = BlockStorage.open(image(t, 512), { readOnly: true });
  assert.equal(storage.readOnly, true);
  const window = makeWindow(t);
  assert.equal(storage.read(0, window, 0, 512), true);
  assert.equal(window.bytes[511], 0x11);
  assert.throws(() => storage.write(0, window, 0, 512), { code: "EBADF" });
  storage.close();
});

test("reads and writes go between the file and the window, at their offsets", (t) => {
  const path = image(t, 2048);
  const storage = BlockStorage.open(path);
  const window = makeWindow(t);
  window.bytes.fill(7, 100, 612);
  assert.equal(storage.write(1024, window, 100, 512), true);
  assert.equal(storage.read(512, window, 1000, 1536), true);
  assert.deepEqual(
    [
      window.bytes[1000],
      window.bytes[1511],
      window.bytes[1512],
      window.bytes[2023],
      window.bytes[2024],
    ],
    [0x11, 0x11, 7, 7, 0x11],
  );
  storage.close();
  const file = readFileSync(path);
  assert.deepEqual([file[1023], file[1024], file[1535], file[1536]], [0x11, 7, 7, 0x11]);
});

test("a transfer that the system cuts short goes on until it is whole", (t) => {
  const storage = BlockStorage.memory(4096);
  t.after(() => storage.close());
  const window = makeWindow(t, 8192);
  window.bytes.set(Uint8Array.from({ length: 4096 }, (_, i) => i % 251));
  const { readSync, writeSync } = fs;
  const cut =
    (real: typeof readSync) =>
    (fd: number, bytes: Uint8Array, offset: number, length: number, position: number) =>
      real(fd, bytes, offset, Math.min(length, 100), position);
  t.mock.method(fs, "readSync", cut(readSync));
  t.mock.method(fs, "writeSync", cut(writeSync as unknown as typeof readSync));
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  assert.equal(storage.write(0, window, 0, 4096), true);
  assert.equal(storage.read(0, window, 4096, 4096), true);
  assert.deepEqual(window.bytes.subarray(4096), window.bytes.subarray(0, 4096));
});

test("a read behind the end of a file that became shorter fails", (t) => {
  const path = image(t, 1024);
  const storage = BlockStorage.open(path);
  t.after(() => storage.close());
  fs.truncateSync(path, 600);
  const window = makeWindow(t);
  assert.equal(storage.read(0, window, 0, 600), true);
  assert.equal(storage.read(512, window, 0, 512), false);
});

for (const [name, result] of [
  ["by the file system", undefined],
  ["where the file system cannot, over more than a buffer of zeroes", -95],
] as const) {
  for (const mayFree of [false, true]) {
    test(`zeroing works ${name}${mayFree ? ", and may free room" : ""}`, (t) => {
      if (result !== undefined) t.mock.method(addon(), "fallocate", () => result);
      const path = image(t, 3 << 20);
      const storage = BlockStorage.open(path);
      storage.zero(512, (2 << 20) + 512, mayFree);
      storage.close();
      const file = readFileSync(path);
      assert.equal(file[511], 0x11);
      assert.ok(file.subarray(512, (2 << 20) + 1024).every((byte) => byte === 0));
      assert.equal(file[(2 << 20) + 1024], 0x11);
    });
  }
}

/** A regular file of a file system without fsync(2), readable for root. */
const NO_FSYNC = "/proc/bus/pci/00/00.0";

test(
  "a read-only disk has nothing to flush where its file system has no fsync",
  { skip: fs.statSync(NO_FSYNC, { throwIfNoEntry: false })?.size !== 4096 && "no such file here" },
  (t) => {
    const storage = BlockStorage.open(NO_FSYNC, { readOnly: true });
    t.after(() => storage.close());
    assert.throws(() => fs.fdatasyncSync(storage.fd), { code: "EINVAL" });
    assert.equal(storage.flushSync(), true);
    const written = BlockStorage.borrow(storage.fd, 4096, { readOnly: false, isNull: false });
    assert.equal(written.flushSync(), false, "a disk that is written to");
  },
);

test("discard keeps the size of the file", (t) => {
  const path = image(t, 8192);
  const storage = BlockStorage.open(path);
  storage.discard(4096, 4096);
  assert.equal(fs.statSync(path).size, 8192);
  assert.equal(readFileSync(path)[4095], 0x11);
  storage.close();
});

test("closing the storage of a memory frees it", () => {
  const before = takeResources().descriptors.size;
  const storage = BlockStorage.memory(512);
  assert.equal(takeResources().descriptors.size, before + 1);
  storage.close();
  assert.equal(takeResources().descriptors.size, before);
});
