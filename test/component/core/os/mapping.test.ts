import assert from "node:assert/strict";
import { readSync } from "node:fs";
import { test } from "node:test";
import { UsageError } from "../../../../src/core/base/index.ts";
import { addon, Mapping, SharedMemory, UnixSocket } from "../../../../src/core/os/index.ts";
import { guardLeaks, takeResources } from "../../../support/leak-guard.ts";
import { runChildWell } from "../../support/child.ts";

guardLeaks();

const page = 4096;
const GIB = 2 ** 30;

test("two windows of one file show the same bytes, and the file does too", () => {
  using memory = SharedMemory.create("test", 2 * page);
  using all = Mapping.map(memory.fd.fd, { offset: 0, length: 2 * page, writable: true });
  using second = Mapping.map(memory.fd.fd, { offset: page, length: page, writable: false });
  all.bytes[page + 5] = 42;
  assert.equal(second.bytes[5], 42);
  const read = new Uint8Array(1);
  readSync(memory.fd.fd, read, 0, 1, page + 5);
  assert.equal(read[0], 42);
});

test("atomic operations work on a window", () => {
  using memory = SharedMemory.create("test", page);
  using mapping = Mapping.map(memory.fd.fd, { offset: 0, length: page, writable: true });
  const words = new Uint16Array(mapping.buffer);
  Atomics.store(words, 3, 0xffff);
  assert.equal(Atomics.add(words, 3, 2), 0xffff);
  assert.equal(Atomics.load(words, 3), 1);
});

test("a window outlives the descriptor and need not end at a page", () => {
  const memory = SharedMemory.create("test", page);
  using mapping = Mapping.map(memory.fd.fd, { offset: 0, length: 100, writable: true });
  memory.close();
  assert.equal(mapping.buffer.byteLength, 100);
  mapping.bytes[99] = 1;
});

test("unmapping leaves every view with length 0, and doing it again is harmless", () => {
  using memory = SharedMemory.create("test", page);
  const mapping = Mapping.map(memory.fd.fd, { offset: 0, length: page, writable: true });
  const view = new Uint32Array(mapping.buffer, 16, 4);
  mapping.unmap();
  mapping.unmap();
  assert.equal(mapping.buffer.byteLength, 0);
  assert.equal(mapping.bytes.length, 0);
  assert.equal(view.length, 0);
  assert.equal(view[0], undefined);
  assert.equal(mapping.broken, false);
});

test("a window can be marked broken, also after it was unmapped", () => {
  using memory = SharedMemory.create("test", page);
  using marked = Mapping.map(memory.fd.fd, { offset: 0, length: page, writable: true });
  assert.equal(marked.broken, false);
  marked.markBroken();
  assert.equal(marked.broken, true);
  marked.unmap();
  assert.equal(marked.broken, true);
  // The same slot of the table, most likely.
  using next = Mapping.map(memory.fd.fd, { offset: 0, length: page, writable: true });
  assert.equal(next.broken, false);
  next.unmap();
  next.markBroken();
  assert.equal(next.broken, true);
});

test("refuses what cannot be mapped", () => {
  using memory = SharedMemory.create("test", 2 * page);
  const { fd } = memory.fd;
  const map = (length: number, offset = 0) => Mapping.map(fd, { offset, length, writable: true });
  for (const length of [0, -1, 0.5, 2 ** 53]) assert.throws(() => map(length), UsageError);
  assert.throws(() => map(page, 100), { code: "EINVAL", syscall: "mmap" });
  assert.throws(() => map(page, -page), TypeError);
  const [a, b] = UnixSocket.pair();
  using _a = a;
  using _b = b;
  assert.throws(() => Mapping.map(a.fd, { offset: 0, length: page, writable: true }), {
    code: "ENODEV",
  });
});

test("a window far larger than memory costs nothing until it is touched", () => {
  const length = 4 * 1024 ** 3;
  using memory = SharedMemory.create("test", 2 * length);
  using mapping = Mapping.map(memory.fd.fd, { offset: length, length, writable: true });
  mapping.bytes[length - 1] = 1;
  assert.equal(mapping.bytes.length, length);
});

test("the addon refuses handles and buffers that do not belong together", () => {
  using memory = SharedMemory.create("test", page);
  const make = () => {
    const handle = addon().mmap(memory.fd.fd, page, 0, true);
    assert.ok(typeof handle === "object");
    return { handle, buffer: addon().mappingBuffer(handle, 0, page) };
  };
  const [first, second] = [make(), make()];
  assert.throws(() => addon().unmap(first.handle, [second.buffer]), TypeError);
  assert.throws(() => addon().unmap(first.handle, []), TypeError, "a buffer is missing");
  assert.throws(() => addon().unmap({} as never, [first.buffer]), TypeError);
  assert.throws(() => addon().pollerStop(first.handle as never), TypeError);
  assert.throws(() => addon().mappingBuffer(first.handle, 1, page), TypeError);
  assert.throws(() => addon().mappingBuffer(first.handle, page + 1, 0), TypeError);
  assert.equal(first.buffer.byteLength, page);
  addon().unmap(first.handle, [first.buffer]);
  assert.throws(() => addon().mappingBuffer(first.handle, 0, page), TypeError);
  addon().unmap(second.handle, [second.buffer]);
});

test("slices see one memory, also across the end of the largest ArrayBuffer, and end together", () => {
  const length = 9 * GIB;
  using memory = SharedMemory.create("test", length);
  const mapping = Mapping.map(memory.fd.fd, { offset: 0, length, writable: true });
  const before = mapping.slice(4 * GIB - page, page);
  const across = mapping.slice(4 * GIB - page, 2 * page);
  const behind = mapping.slice(4 * GIB, page);
  const last = mapping.slice(length - page, page);
  across.fill(7);
  last[page - 1] = 9;
  assert.deepEqual([before[page - 1], behind[0], behind[page - 1]], [7, 7, 7]);
  const read = new Uint8Array(1);
  readSync(memory.fd.fd, read, 0, 1, length - 1);
  assert.equal(read[0], 9);
  assert.throws(() => mapping.slice(length - page, page + 1), RangeError);
  assert.throws(() => mapping.slice(-1, 1), RangeError);
  mapping.unmap();
  for (const slice of [before, across, behind, last]) assert.equal(slice.length, 0);
});

test("garbage collection unmaps unreferenced mappings and no referenced ones", () => {
  runChildWell(
    `const memory = os.SharedMemory.create("collected", page);
     const windows = () => fs.readFileSync("/proc/self/maps", "utf8").split("memfd:collected").length - 1;
     const settle = async () => { for (let i = 0; i < 20; i++) { gc(); await new Promise(setImmediate); } };
     const map = () => os.Mapping.map(memory.fd.fd, { offset: 0, length: page, writable: true });
     let bytes = map().bytes;
     map();
     await settle();
     assert.equal(windows(), 1, "a view keeps its window");
     bytes[0] = 1;
     bytes = undefined;
     await settle();
     assert.equal(windows(), 0);`,
    { nodeArguments: ["--expose-gc"] },
  );
});

test("the windows of a worker go with it", () => {
  runChildWell(`
    const before = fs.readFileSync("/proc/self/maps", "utf8");
    const thread = worker(\`
      const memory = os.SharedMemory.create("ofworker", 4096);
      globalThis.kept = os.Mapping.map(memory.fd.fd, { offset: 0, length: 4096, writable: true });
      memory.close();
      parentPort.on("message", () => undefined).postMessage("mapped");
    \`);
    await once(thread, "message");
    assert.match(fs.readFileSync("/proc/self/maps", "utf8"), /memfd:ofworker/);
    await thread.terminate();
    assert.doesNotMatch(fs.readFileSync("/proc/self/maps", "utf8"), /memfd:ofworker/);`);
});

test("more than 16384 mappings are ENOMEM, and one less is room again", () => {
  runChildWell(`
    const memory = os.SharedMemory.create("many", page);
    const map = () => os.Mapping.map(memory.fd.fd, { offset: 0, length: page, writable: true });
    const windows = Array.from({ length: 16384 }, map);
    const count = () => fs.readFileSync("/proc/self/maps", "utf8").split("memfd:many").length - 1;
    assert.throws(map, { code: "ENOMEM" });
    windows[5000].unmap();
    windows[5000] = map();
    assert.throws(map, { code: "ENOMEM" });
    assert.equal(count(), 16384, "nothing stays mapped that was refused");
    for (const window of windows) window.unmap();
    assert.equal(count(), 0);`);
});

test("a failed mapping leaves nothing behind", () => {
  using memory = SharedMemory.create("test", page);
  const before = takeResources().mappings.length;
  assert.throws(() => Mapping.map(memory.fd.fd, { offset: 1, length: page, writable: true }));
  assert.equal(takeResources().mappings.length, before);
});
