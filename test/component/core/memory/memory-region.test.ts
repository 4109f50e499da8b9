import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { MemoryAccessError } from "../../../../src/core/base/index.ts";
import { Region, SpanList } from "../../../../src/core/memory/index.ts";
import {
  addon,
  EventFd,
  Mapping,
  OwnedFd,
  SharedMemory,
  UnixSocket,
} from "../../../../src/core/os/index.ts";
import { guardLeaks, takeResources } from "../../../support/leak-guard.ts";
import { describeRegion, GIB, makeRegion, PAGE, unsealedFile } from "../../support/memory.ts";

guardLeaks();

/** The region is refused, and the descriptor is not left behind. */
function assertRefused(
  description: ReturnType<typeof describeRegion>,
  fd: OwnedFd,
  message: RegExp,
): void {
  assert.throws(
    () => new Region(description, fd),
    (error) => {
      assert.ok(error instanceof MemoryAccessError, String(error));
      assert.match(error.message, message);
      return true;
    },
  );
  assert.ok(fd.closed, "the descriptor is closed");
}

test("refuses a region of size 0", () => {
  assertRefused(describeRegion(0, 0), unsealedFile(PAGE), /the size must be above 0/);
});

test("refuses guest addresses that wrap around or exceed 2^53", () => {
  for (const [guestAddress, size] of [
    [2n ** 64n - 4096n, 8192n],
    [2n ** 53n, 4096n],
    [2n ** 53n - 4096n, 4097n],
    [0n, 2n ** 64n - 1n],
  ] as const) {
    const description = describeRegion(0, PAGE, { guestAddress, size, userAddress: 0n });
    assertRefused(description, unsealedFile(PAGE), /up to 2\^53/);
  }
});

test("takes a region that ends at 2^53", () => {
  const region = new Region(
    describeRegion(0, PAGE, { guestAddress: 2n ** 53n - 4096n, userAddress: 0n }),
    unsealedFile(PAGE),
  );
  assert.equal(region.end, 2 ** 53);
  region.close();
});

test("refuses an mmap offset beyond 2^53", () => {
  const description = describeRegion(0, PAGE, { mmapOffset: 2n ** 63n });
  assertRefused(description, unsealedFile(PAGE), /mmap offset 0x8000000000000000/);
});

test("refuses user addresses that wrap around, and takes those that just do not", () => {
  const size = 2 * PAGE;
  const last = 2n ** 64n - BigInt(size);
  assertRefused(
    describeRegion(0, size, { userAddress: last + 1n }),
    unsealedFile(size),
    /wraps around/,
  );
  makeRegion(0, size, { userAddress: last }).close();
});

test("refuses a file that is too short, counted with the mmap offset", () => {
  assertRefused(describeRegion(0, PAGE + 1), unsealedFile(PAGE), /at least 4097 bytes .* got 4096/);
  assertRefused(
    describeRegion(0, PAGE, { mmapOffset: 4096n }),
    unsealedFile(2 * PAGE - 1),
    /at least 8192 bytes .* got 8191/,
  );
});

test("refuses descriptors that are not files", () => {
  const [left, right] = UnixSocket.pair();
  using _left = left;
  using _right = right;
  using event = EventFd.create();
  const folder = openSync(tmpdir(), "r");
  const scratch = mkdtempSync(join(tmpdir(), "vhost-user-memory-"));
  execFileSync("mkfifo", [join(scratch, "pipe")]);
  const pipe = openSync(join(scratch, "pipe"), "r+");
  const device = openSync("/dev/zero", "r+");
  try {
    for (const fd of [left.fd, event.descriptor.fd, folder, pipe, device]) {
      assertRefused(
        describeRegion(0, PAGE),
        OwnedFd.duplicateOf(fd),
        /not a file that can be mapped/,
      );
    }
  } finally {
    closeSync(folder);
    closeSync(device);
    closeSync(pipe);
    rmSync(scratch, { recursive: true });
  }
});

test("refuses memory that is not writable, and names the reason of the system", () => {
  const file = unsealedFile(PAGE);
  const readOnly = openSync(`/proc/self/fd/${file.fd}`, "r");
  assertRefused(
    describeRegion(0, PAGE),
    OwnedFd.duplicateOf(readOnly),
    /reading and writing.*EACCES/,
  );
  closeSync(readOnly);
  file.close();
});

test("a region of any size is one mapping, and no buffer before it is used", (t) => {
  const before = takeResources().mappings.length;
  const buffers = t.mock.method(addon(), "mappingBuffer");
  const region = makeRegion(0, 2 ** 40);
  t.after(() => region.close());
  assert.equal(takeResources().mappings.length, before + 1);
  assert.equal(buffers.mock.callCount(), 0);
  for (let i = 0; i < 4; i += 1) region.view(i * GIB, PAGE);
  assert.equal(buffers.mock.callCount(), 1, "windows share the buffers");
});

test("no room for an ArrayBuffer is a fault of the request, and an error for a ring", (t) => {
  const region = makeRegion(0, 2 * GIB);
  t.after(() => region.close());
  const spans = new SpanList();
  t.mock.method(addon(), "mappingBuffer").mock.mockImplementation(() => {
    throw new RangeError("Array buffer allocation failed");
  });
  assert.equal(region.push(1, 0, PAGE, spans), false);
  assert.throws(() => region.view(GIB, PAGE), /no room for a view.*allocation failed/);
  t.mock.restoreAll();
  assert.equal(region.push(1, 0, PAGE, spans), true);
});

test("an mmap offset that is not aligned to pages leads to the right bytes", (t) => {
  const fd = unsealedFile(3 * PAGE);
  using whole = Mapping.map(fd.fd, { offset: 0, length: 3 * PAGE, writable: true });
  whole.bytes[PAGE + 100] = 1;
  whole.bytes[PAGE + 100 + PAGE - 1] = 2;
  const region = new Region(describeRegion(0x1000, PAGE, { mmapOffset: BigInt(PAGE + 100) }), fd);
  t.after(() => region.close());
  const { window, offset } = region.view(0, PAGE);
  assert.equal(offset, 100);
  assert.equal(window.bytes[offset], 1);
  assert.equal(window.bytes[offset + PAGE - 1], 2);
});

test("a region of a file on disk reaches the file", () => {
  const folder = mkdtempSync(join(tmpdir(), "vhost-user-memory-"));
  const path = join(folder, "memory");
  writeFileSync(path, new Uint8Array(PAGE + 10));
  const file = openSync(path, "r+");
  const region = new Region(describeRegion(0, PAGE + 10), OwnedFd.duplicateOf(file));
  const view = region.view(PAGE, 10);
  view.window.bytes[view.offset + 9] = 77;
  region.close();
  const last = new Uint8Array(1);
  readSync(file, last, 0, 1, PAGE + 9);
  assert.equal(last[0], 77);
  closeSync(file);
  rmSync(folder, { recursive: true });
});

test("contiguous memory across a window border is the same memory as both windows", (t) => {
  const region = makeRegion(6 * GIB, 5 * GIB);
  t.after(() => region.close());
  const across = region.view(GIB - 8, 16);
  assert.equal(across.window.bytes[across.offset], 0);
  for (let i = 0; i < 16; i += 1) across.window.bytes[across.offset + i] = i + 1;
  const before = region.view(GIB - 8, 8);
  const after = region.view(GIB, 8);
  assert.notEqual(before.window, across.window);
  assert.deepEqual(
    [...before.window.bytes.subarray(before.offset, before.offset + 8)],
    [1, 2, 3, 4, 5, 6, 7, 8],
  );
  assert.deepEqual(
    [...after.window.bytes.subarray(after.offset, after.offset + 8)],
    [9, 10, 11, 12, 13, 14, 15, 16],
  );
});

test("a window border takes no mapping, however often a ring is put there", (t) => {
  const region = makeRegion(0, 5 * GIB);
  t.after(() => region.close());
  const before = takeResources().mappings.length;
  const buffers = t.mock.method(addon(), "mappingBuffer");
  // At 4 GiB the largest ArrayBuffer of Node 20 ends.
  for (let i = 1; i <= 1000; i += 1) region.view(4 * GIB - i * 16, 512 * 1024 + i);
  assert.equal(takeResources().mappings.length, before);
  assert.equal(buffers.mock.callCount(), 1);
});

test("the memory around the last border may end soon behind it", (t) => {
  const region = makeRegion(0, GIB + 100);
  t.after(() => region.close());
  const { window, offset } = region.view(GIB - 100, 200);
  window.bytes[offset + 199] = 5;
  assert.equal(region.view(GIB + 99, 1).window.bytes[99], 5);
});

test("refuses more than 1 MiB across a window border", (t) => {
  const region = makeRegion(0, 2 * GIB);
  t.after(() => region.close());
  region.view(GIB - 1, 2 ** 20);
  region.view(GIB - 2 ** 20 + 1, 2 ** 20);
  assert.throws(() => region.view(GIB - 1, 2 ** 20 + 1), MemoryAccessError);
});

test("closing a region frees the mapping and the descriptor, once", () => {
  const before = takeResources();
  const region = makeRegion(0, 5 * GIB);
  const view = region.view(GIB - 8, 16);
  assert.equal(takeResources().mappings.length, before.mappings.length + 1);
  region.close();
  region.close();
  assert.equal(takeResources().mappings.length, before.mappings.length);
  assert.equal(takeResources().descriptors.size, before.descriptors.size);
  assert.equal(view.window.bytes.length, 0, "views lead nowhere any more");
});

test("a sealed memory of our own makes a region as well", () => {
  using memory = SharedMemory.create("own", PAGE);
  const region = new Region(describeRegion(0, PAGE), memory.fd.duplicate());
  region.close();
  assert.ok(!memory.fd.closed, "only the duplicate was the region's");
});
