import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryAccessError, UsageError } from "../../../../src/core/base/index.ts";
import { GuestMemory } from "../../../../src/core/memory/index.ts";
import { Mapping, Seal, sealsOf, SharedMemory } from "../../../../src/core/os/index.ts";
import { guardLeaks, takeResources } from "../../../support/leak-guard.ts";
import { GIB, lookUp, PAGE } from "../../support/memory.ts";
import { tableOf } from "../../support/rings.ts";

guardLeaks();

test("hands out zeroed, aligned buffers that do not overlap", (t) => {
  const memory = new GuestMemory({ size: 16 * PAGE });
  t.after(() => memory.close());
  let end = 0;
  for (const [length, alignment] of [
    [1, 1],
    [3, 2],
    [16, 16],
    [100, 64],
    [10, 4096],
    [7, undefined],
  ] as const) {
    const buffer = memory.allocate(length, alignment);
    assert.equal(buffer.guestAddress % (alignment ?? 16), 0);
    assert.ok(buffer.guestAddress >= end);
    end = buffer.guestAddress + length;
    assert.equal(buffer.bytes.length, length);
    assert.ok(buffer.bytes.every((byte) => byte === 0));
    assert.equal(buffer.view.length, length);
    buffer.bytes.fill(0xff);
  }
});

test("guest, user and own addresses lead to the same byte and are different numbers", (t) => {
  const memory = new GuestMemory({ size: 4 * PAGE, regions: 2 });
  t.after(() => memory.close());
  const table = tableOf(memory);
  t.after(() => table.close());
  for (const length of [2 * PAGE, 2 * PAGE]) {
    const buffer = memory.allocate(length);
    buffer.bytes[length - 1] = 9;
    assert.notEqual(BigInt(buffer.guestAddress), buffer.userAddress);
    assert.equal(lookUp(table, buffer.guestAddress + length - 1, 1)?.[0]?.[0], 9);
    const view = table.locate(buffer.userAddress, length);
    assert.equal(view?.window.bytes[view.offset + length - 1], 9);
  }
});

test("says what is missing when it is exhausted, and still has room for less", (t) => {
  const memory = new GuestMemory({ size: 2 * PAGE, regions: 2 });
  t.after(() => memory.close());
  memory.allocate(PAGE - 16);
  memory.allocate(PAGE);
  assert.throws(() => memory.allocate(17), MemoryAccessError);
  assert.equal(memory.allocate(16).bytes.length, 16);
  assert.throws(() => memory.allocate(1), {
    message: /no region .* has 1 byte left; give the client more memory/,
  });
});

test("every region is a whole number of pages and has a sealed file of its own", (t) => {
  const memory = new GuestMemory({ size: 5 * PAGE, regions: 2 });
  t.after(() => memory.close());
  const sizes = memory.regions.map(({ description }) => Number(description.size));
  assert.deepEqual(sizes, [3 * PAGE, 3 * PAGE]);
  for (const { fd } of memory.regions) {
    assert.equal((sealsOf(fd.fd) ?? 0) & (Seal.Shrink | Seal.Grow), Seal.Shrink | Seal.Grow);
  }
});

test("a buffer never crosses a window border", (t) => {
  const memory = new GuestMemory({ size: 2 * GIB + PAGE });
  t.after(() => memory.close());
  memory.allocate(GIB - PAGE);
  const next = memory.allocate(2 * PAGE);
  assert.equal(next.view.offset, 0);
  assert.equal(next.view.window.bytes.length, GIB);
});

test("refuses sizes that make no sense", (t) => {
  for (const options of [
    { size: 0 },
    { size: -1 },
    { size: Number.NaN },
    { size: Infinity },
    { size: PAGE, regions: 0 },
    { size: PAGE, regions: 1.5 },
  ]) {
    assert.throws(() => new GuestMemory(options), UsageError, JSON.stringify(options));
  }
  const memory = new GuestMemory({ size: PAGE });
  t.after(() => memory.close());
  for (const length of [0, -1, 0.5, Number.NaN, GIB + 1]) {
    assert.throws(() => memory.allocate(length), UsageError, String(length));
  }
});

test("a memory that cannot be made in full leaves nothing behind", (t) => {
  const before = takeResources();
  for (const [target, name] of [
    [Mapping, "map"],
    [SharedMemory, "create"],
  ] as const) {
    const method = t.mock.method(target as never, name as never) as ReturnType<typeof t.mock.fn>;
    method.mock.mockImplementationOnce(() => {
      throw new Error("too many open files");
    }, 2);
    assert.throws(() => new GuestMemory({ size: 4 * PAGE, regions: 4 }), /too many open files/);
    assert.equal(method.mock.callCount(), 3);
    method.mock.restore();
  }
  const after = takeResources();
  assert.equal(after.descriptors.size, before.descriptors.size);
  assert.equal(after.mappings.length, before.mappings.length);
});

test("closing it twice is harmless", () => {
  const memory = new GuestMemory({ size: PAGE });
  memory.close();
  memory.close();
  assert.equal(memory.regions.length, 0);
});
