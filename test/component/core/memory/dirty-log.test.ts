import assert from "node:assert/strict";
import { ftruncateSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { MemoryAccessError, StateError } from "../../../../src/core/base/index.ts";
import { DirtyLog } from "../../../../src/core/memory/index.ts";
import {
  EventFd,
  Mapping,
  OwnedFd,
  SharedMemory,
  UnixSocket,
} from "../../../../src/core/os/index.ts";
import { addon } from "../../../../src/core/os/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";

guardLeaks();

const PAGE = 4096;

/** A file for a log, seen as the front-end sees it. */
function logFile(t: TestContext, size: number): { fd: OwnedFd; bytes: Uint8Array } {
  const { fd } = SharedMemory.create("log", size);
  const mapping = Mapping.map(fd.fd, { offset: 0, length: size, writable: true });
  t.after(() => {
    mapping.unmap();
    fd.close();
  });
  return { fd, bytes: mapping.bytes };
}

function makeLog(t: TestContext, size = PAGE, offset = 0): { log: DirtyLog; bytes: Uint8Array } {
  const { fd, bytes } = logFile(t, 4 * PAGE);
  const log = new DirtyLog();
  t.after(() => log.close());
  log.replace({ mmapSize: BigInt(size), mmapOffset: BigInt(offset) }, fd.duplicate());
  return { log, bytes };
}

/** Numbers of the bits that are set, as the specification counts them. */
function pagesOf(bytes: Uint8Array): number[] {
  return [...bytes].flatMap((byte, i) =>
    [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => (byte & (1 << bit)) !== 0).map((bit) => i * 8 + bit),
  );
}

const marks: readonly [what: string, address: number, length: number, pages: number[]][] = [
  ["nothing for a length of 0", 5 * PAGE, 0, []],
  ["one byte at the beginning of a page", 5 * PAGE, 1, [5]],
  ["one byte at the end of a page", 6 * PAGE - 1, 1, [5]],
  ["two bytes across a border", 6 * PAGE - 1, 2, [5, 6]],
  ["a page, exactly", 7 * PAGE, PAGE, [7]],
  ["from the middle of one byte of the log into the next", 6 * PAGE, 5 * PAGE, [6, 7, 8, 9, 10]],
  [
    "several bytes of the log",
    3 * PAGE + 17,
    24 * PAGE,
    Array.from({ length: 25 }, (_, i) => 3 + i),
  ],
];

for (const [what, address, length, pages] of marks) {
  test(`exactly the pages of a write are marked: ${what}`, (t) => {
    const { log, bytes } = makeLog(t);
    log.mark(address, length);
    assert.deepEqual(pagesOf(bytes), pages);
  });
}

test("the log begins at the offset, which is applied once and need not be page-aligned", (t) => {
  for (const offset of [PAGE, 2 * PAGE, PAGE + 24]) {
    const { log, bytes } = makeLog(t, 64, offset);
    log.mark(9 * PAGE, PAGE);
    assert.deepEqual(pagesOf(bytes), [offset * 8 + 9]);
  }
});

test("pages beyond the end of the log are not marked", (t) => {
  const { log, bytes } = makeLog(t, 2, PAGE);
  log.mark(15 * PAGE, 3 * PAGE);
  for (const address of [16 * PAGE, 2 ** 40, 2 ** 53, 2 ** 64]) log.mark(address, 2 ** 32);
  assert.deepEqual(pagesOf(bytes), [PAGE * 8 + 15]);
});

test("bits that are already set stay set", (t) => {
  const { log, bytes } = makeLog(t);
  bytes[0] = 0b1010_0000;
  log.mark(PAGE, PAGE);
  assert.equal(bytes[0], 0b1010_0010);
});

test("a log that a file does not hold is refused, and the one before stays", (t) => {
  const { log, bytes } = makeLog(t);
  const { fd } = logFile(t, PAGE);
  const wrong: readonly [size: bigint, offset: bigint, expected: RegExp][] = [
    [0n, 0n, /size of 1 to/],
    [2n ** 64n - 1n, 0n, /size of 1 to/],
    // CVE-2020-10722: the sum wraps to something that fits.
    [2n ** 64n - 1n, 0x1001n, /size of 1 to/],
    [PAGE_N, 2n ** 64n - PAGE_N, /file of at least 18446744073709551616 bytes/],
    [PAGE_N, 1n, /file of at least 4097 bytes/],
    [PAGE_N + 1n, 0n, /file of at least 4097 bytes/],
    [1n, PAGE_N, /file of at least 4097 bytes/],
  ];
  for (const [mmapSize, mmapOffset, expected] of wrong) {
    const taken = fd.duplicate();
    assert.throws(
      () => log.replace({ mmapSize, mmapOffset }, taken),
      (error) => error instanceof MemoryAccessError && expected.test(error.message),
    );
    assert.ok(taken.closed);
  }
  log.mark(PAGE, 1);
  assert.deepEqual(pagesOf(bytes), [1]);
});
const PAGE_N = BigInt(PAGE);

test("descriptors that are not a file, and a file that is not writable, are refused", (t) => {
  const log = new DirtyLog();
  const [one, other] = UnixSocket.pair();
  t.after(() => one.close());
  const event = EventFd.create();
  const sealed = new OwnedFd(addon().memfdCreate("log", 3));
  ftruncateSync(sealed.fd, PAGE);
  addon().addSeals(sealed.fd, 8);
  for (const fd of [other.detach(), event.descriptor, sealed]) {
    assert.throws(
      () => log.replace({ mmapSize: 64n, mmapOffset: 0n }, fd),
      (error) => error instanceof MemoryAccessError,
    );
    assert.ok(fd.closed);
  }
  assert.equal(log.mapped, false);
});

test("a second log takes the place of the first, which is let go", (t) => {
  const { log, bytes } = makeLog(t);
  log.mark(0, 1);
  const second = logFile(t, PAGE);
  log.replace({ mmapSize: PAGE_N, mmapOffset: 0n }, second.fd.duplicate());
  log.mark(PAGE, 1);
  assert.deepEqual([pagesOf(bytes), pagesOf(second.bytes)], [[0], [1]]);
});

test("nothing is recorded without VHOST_F_LOG_ALL, nor without a log", (t) => {
  const none = new DirtyLog();
  none.all = true;
  assert.equal(none.recording, false);
  none.mark(0, PAGE);
  const { log } = makeLog(t);
  assert.equal(log.recording, false);
  log.all = true;
  assert.equal(log.recording, true);
});

test("the event of SET_LOG_FD is signalled when a clear bit is set, and only then", (t) => {
  const { log } = makeLog(t);
  const event = EventFd.create();
  t.after(() => event.close());
  log.event = EventFd.adopt(event.descriptor.duplicate());
  log.mark(0, 3 * PAGE);
  assert.equal(event.drain(), true);
  log.mark(PAGE, PAGE);
  assert.equal(event.drain(), false);
  log.mark(PAGE, 3 * PAGE);
  assert.equal(event.drain(), true);
});

test("an event that cannot be signalled is left alone until another one comes, and marks go on", (t) => {
  const { log, bytes } = makeLog(t);
  const [one, other] = UnixSocket.pair();
  one.close();
  const fd = other.detach();
  log.event = EventFd.adopt(fd);
  log.mark(0, 1);
  log.mark(PAGE, 1);
  assert.deepEqual(pagesOf(bytes), [0, 1]);
  // Workers borrow its number: another file must not get it before they were paused.
  assert.ok(!fd.closed);
  const next = EventFd.create();
  log.event = next;
  assert.ok(fd.closed);
  log.mark(2 * PAGE, 1);
  assert.ok(next.drain());
});

test("a file that the front-end truncates does not end the process", (t) => {
  const fd = new OwnedFd(addon().memfdCreate("log", 1));
  ftruncateSync(fd.fd, PAGE);
  const log = new DirtyLog();
  t.after(() => log.close());
  log.replace({ mmapSize: PAGE_N, mmapOffset: 0n }, fd);
  ftruncateSync(fd.fd, 0);
  log.mark(0, 100 * PAGE);
  log.mark(0, 100 * PAGE);
});

test("after the end of its session no log and no event is taken any more", (t) => {
  const { log } = makeLog(t);
  log.close();
  const { fd } = logFile(t, PAGE);
  const late = fd.duplicate();
  assert.throws(() => log.replace({ mmapSize: PAGE_N, mmapOffset: 0n }, late), StateError);
  assert.ok(late.closed);
  const event = EventFd.create();
  log.event = event;
  assert.ok(event.descriptor.closed);
  assert.equal(log.handle, undefined);
});
