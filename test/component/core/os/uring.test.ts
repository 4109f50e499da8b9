import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  addon,
  EventFd,
  Mapping,
  Poller,
  SharedMemory,
  Uring,
  UringOperation,
} from "../../../../src/core/os/index.ts";
import { SystemError } from "../../../../src/core/base/index.ts";
import { guardLeaks, takeResources } from "../../../support/leak-guard.ts";
import { uringSkip } from "../../../support/uring.ts";

guardLeaks();

type Setup = Parameters<ReturnType<typeof addon>["uringSetup"]>;

const skip = uringSkip();

/** A file whose byte at position p is p / 512, and memory to read into. */
function fixture(t: TestContext): { fd: number; memory: Mapping; low: number; high: number } {
  const folder = mkdtempSync(join(tmpdir(), "vhost-user-uring-"));
  const path = join(folder, "file");
  writeFileSync(
    path,
    Uint8Array.from({ length: 65_536 }, (_, i) => i / 512),
  );
  const fd = openSync(path, "r+");
  const shared = SharedMemory.create("uring", 65_536);
  const memory = Mapping.map(shared.fd.fd, { offset: 0, length: 65_536, writable: true });
  shared.close();
  t.after(() => {
    memory.unmap();
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });
  const address = Number(memory.address);
  return { fd, memory, low: address % 2 ** 32, high: Math.floor(address / 2 ** 32) };
}

function read(
  ring: Uring,
  { fd, low, high }: { fd: number; low: number; high: number },
  sector: number,
  userData: number,
): boolean {
  const at = low + sector * 512;
  const carry = at >= 2 ** 32 ? 1 : 0;
  return ring.add(UringOperation.Read, fd, at, high + carry, 512, sector * 512, 0, 0, userData);
}

for (const deferred of [true, false]) {
  const mode = deferred ? "deferred" : "at once";
  test(`reads a file straight into memory; completions arrive ${mode}`, { skip }, (t) => {
    using ring = Uring.create({ entries: 8, completions: 64, deferred });
    const file = fixture(t);
    const seen = new Set<number>();
    for (let sector = 0; sector < 32; sector += 1) {
      if (!read(ring, file, sector, sector)) {
        ring.enter(0);
        assert.ok(read(ring, file, sector, sector), "there is room after the entries were taken");
      }
    }
    while (seen.size < 32) {
      ring.enter(1);
      while (ring.next()) {
        assert.equal(ring.result, 512);
        seen.add(ring.userData);
      }
    }
    for (let sector = 0; sector < 32; sector += 1)
      assert.deepEqual(
        file.memory.bytes.subarray(sector * 512, sector * 512 + 512),
        new Uint8Array(512).fill(sector),
      );
  });
}

test("a full submission ring refuses entries and loses none", { skip }, (t) => {
  using ring = Uring.create({ entries: 8, completions: 64, deferred: true });
  const file = fixture(t);
  for (let i = 0; i < 8; i += 1) assert.equal(read(ring, file, i, i), true);
  assert.equal(ring.free, 0);
  assert.equal(read(ring, file, 8, 8), false);
  assert.equal(ring.pending, 8);
  ring.enter(8);
  assert.equal(ring.free, 8);
  const seen: number[] = [];
  while (ring.next()) seen.push(ring.userData);
  assert.deepEqual(
    seen.sort((a, b) => a - b),
    [0, 1, 2, 3, 4, 5, 6, 7],
  );
});

test("an operation that the kernel does not know fails alone", { skip }, (t) => {
  using ring = Uring.create({ entries: 8, completions: 64, deferred: true });
  const file = fixture(t);
  read(ring, file, 1, 1);
  ring.add(250, file.fd, 0, 0, 0, 0, 0, 0, 2);
  read(ring, file, 3, 3);
  const results = new Map<number, number>();
  for (let i = 0; results.size < 3 && i < 100; i += 1) {
    ring.enter(1);
    while (ring.next()) results.set(ring.userData, ring.result);
  }
  assert.deepEqual([results.get(1), results.get(2), results.get(3)], [512, -22, 512]);
});

test("a wait ends at its limit, and with a descriptor that becomes readable", { skip }, () => {
  using ring = Uring.create({ entries: 8, completions: 16, deferred: true });
  using event = EventFd.create();
  ring.enter(1, 1000);
  assert.equal(ring.next(), false);
  ring.add(UringOperation.PollAdd, event.descriptor.fd, 0, 0, 0, 0, 0, 1, 7);
  ring.enter(1, 1000);
  assert.equal(ring.next(), false);
  event.signal();
  ring.enter(1);
  assert.equal(ring.next(), true);
  assert.deepEqual([ring.userData, ring.result], [7, 1]);
});

test("on an event loop the ring becomes readable with a completion", { skip }, async (t) => {
  using ring = Uring.create({ entries: 8, completions: 16, deferred: false });
  using event = EventFd.create();
  const file = fixture(t);
  ring.add(UringOperation.PollAdd, event.descriptor.fd, 0, 0, 0, 0, 0, 1, 1);
  ring.enter(0);
  await new Promise<void>((resolve) => {
    const poller = new Poller(ring.descriptor.fd, { readable: true }, () => {
      poller.close();
      resolve();
    });
    event.signal();
  });
  assert.equal(ring.next(), true);
  read(ring, file, 5, 2);
  ring.enter(1);
  assert.equal(ring.next(), true);
  assert.equal(ring.userData, 2);
});

for (const [errno, code] of [
  [38, "ENOSYS"],
  [1, "EPERM"],
] as const) {
  test(`a kernel that answers ${code} leaves nothing open`, (t) => {
    t.mock.method(addon(), "uringSetup", () => -errno);
    const before = takeResources().descriptors.size;
    assert.throws(
      () => Uring.create({ entries: 8, completions: 16, deferred: true }),
      (error) => error instanceof SystemError && error.code === code,
    );
    assert.equal(takeResources().descriptors.size, before);
  });
}

test("a kernel without deferred completions gets a ring without them", { skip }, (t) => {
  const uringSetup = addon().uringSetup.bind(addon());
  const mock = t.mock.method(addon(), "uringSetup", (...parameters: Setup) =>
    parameters[2] === 0 ? uringSetup(...parameters) : -22,
  );
  using ring = Uring.create({ entries: 8, completions: 16, deferred: true });
  assert.equal(mock.mock.callCount(), 2);
  assert.equal(ring.free, 8);
});

test("a kernel that lacks a needed feature is refused, and its ring closed", { skip }, (t) => {
  const uringSetup = addon().uringSetup.bind(addon());
  t.mock.method(addon(), "uringSetup", (...parameters: Setup) => {
    const fd = uringSetup(...parameters);
    parameters[3][0] = 1;
    return fd;
  });
  const before = takeResources().descriptors.size;
  assert.throws(() => Uring.create({ entries: 8, completions: 16, deferred: true }), {
    code: "ENOSYS",
  });
  assert.equal(takeResources().descriptors.size, before);
});
