import assert from "node:assert/strict";
import { fstatSync, ftruncateSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { UsageError } from "../../../../src/core/base/index.ts";
import {
  addon,
  fallocate,
  Mapping,
  Seal,
  sealsOf,
  SharedMemory,
  UnixListener,
} from "../../../../src/core/os/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { temporaryFolder } from "../../support/folder.ts";

guardLeaks();

test("has the size asked for and reads as zeroes", () => {
  using memory = SharedMemory.create("test", 10_000);
  assert.equal(memory.size, 10_000);
  assert.equal(fstatSync(memory.fd.fd).size, 10_000);
  const bytes = new Uint8Array(16).fill(9);
  assert.equal(readSync(memory.fd.fd, bytes, 0, 16, 9_984), 16);
  assert.deepEqual(bytes, new Uint8Array(16));
});

test("sealed memory cannot be shrunk, grown or sealed further", () => {
  using memory = SharedMemory.create("test", 8192);
  const { fd } = memory.fd;
  assert.equal(sealsOf(fd), Seal.Seal | Seal.Shrink | Seal.Grow);
  assert.throws(() => ftruncateSync(fd, 4096), { code: "EPERM" });
  assert.throws(() => ftruncateSync(fd, 16384), { code: "EPERM" });
  assert.equal(addon().addSeals(fd, Seal.Write), -1);
  writeSync(fd, new Uint8Array(1), 0, 1, 8191);
});

test("what cannot be sealed has no seals", (t) => {
  using listener = UnixListener.listen(join(temporaryFolder(t), "s"));
  assert.equal(sealsOf(listener.fd), undefined);
});

test("refuses impossible sizes and names, and leaves nothing open", () => {
  for (const size of [0, -1, 1.5, NaN, Infinity]) {
    assert.throws(() => SharedMemory.create("test", size), UsageError);
  }
  assert.throws(() => SharedMemory.create("x".repeat(250), 4096), { code: "EINVAL" });
});

test("a punched hole reads as zeroes through a mapping, and the size stays", () => {
  using memory = SharedMemory.create("test", 3 * 4096);
  using mapping = Mapping.map(memory.fd.fd, { offset: 0, length: memory.size, writable: true });
  mapping.bytes.fill(7);
  assert.equal(fallocate(memory.fd.fd, "punch-hole", 4096, 4096), true);
  assert.equal(fallocate(memory.fd.fd, "punch-hole", 0, 0), true);
  assert.equal(mapping.bytes[4095], 7);
  assert.equal(mapping.bytes[4096], 0);
  assert.equal(mapping.bytes[8192], 7);
  assert.equal(fstatSync(memory.fd.fd).size, memory.size);
  assert.throws(() => fallocate(1 << 20, "punch-hole", 0, 1), { code: "EBADF" });
});
