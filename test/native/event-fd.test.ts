import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { addon, EventFd, OwnedFd, SharedMemory, UnixSocket } from "../../src/os/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { runChildWell } from "./support/child.ts";
import { temporaryFolder } from "./support/folder.ts";

guardLeaks();

test("many signals are drained at once", () => {
  using event = EventFd.create();
  assert.equal(event.drain(), false);
  event.signal();
  event.signal();
  assert.equal(event.drain(), true);
  assert.equal(event.drain(), false);
});

test("signalling a full counter is harmless", () => {
  using event = EventFd.create();
  const full = new BigUint64Array([0xffff_ffff_ffff_fffen]);
  writeSync(event.descriptor.fd, new Uint8Array(full.buffer));
  event.signal();
  assert.equal(event.drain(), true);
});

test("an adopted copy is the same event", () => {
  using event = EventFd.create();
  using copy = EventFd.adopt(event.descriptor.duplicate());
  copy.signal();
  assert.equal(event.drain(), true);
  assert.equal(copy.drain(), false);
});

test("a stream instead of an event works, and its end is EPIPE", () => {
  const [a, b] = UnixSocket.pair();
  using _b = b;
  using event = EventFd.adopt(OwnedFd.duplicateOf(b.fd));
  assert.equal(event.drain(), false);
  a.send(new Uint8Array(9), 0, 9);
  assert.equal(event.drain(), true);
  assert.equal(event.drain(), true, "eight bytes a time");
  assert.equal(event.drain(), false);
  a.close();
  assert.throws(() => event.drain(), { code: "EPIPE", syscall: "read" });
});

test("what cannot be an event is reported by the first use", () => {
  using memory = SharedMemory.create("test", 4096);
  using event = EventFd.adopt(memory.fd.duplicate());
  // A regular file can be read, but a directory or a listening socket cannot.
  const folder = openSync("/proc", "r");
  using bad = EventFd.adopt(OwnedFd.duplicateOf(folder));
  closeSync(folder);
  assert.throws(() => bad.drain(), { code: "EISDIR" });
  assert.throws(() => bad.signal(), { code: "EBADF" });
  assert.equal(event.descriptor.closed, false);
});

test("adopting a closed number fails and leaves the descriptor with the caller", () => {
  const descriptor = EventFd.create().descriptor;
  addon().close(descriptor.fd);
  assert.throws(() => EventFd.adopt(descriptor), { code: "EBADF" });
  descriptor.release();
});

test("signalling does not block when the peer has cleared the mode and filled the counter", (t) => {
  const path = join(temporaryFolder(t), "fifo");
  assert.equal(spawnSync("mkfifo", [path]).status, 0);
  // A named pipe is opened in blocking mode, and is full after 64 KiB.
  runChildWell(`
    const fd = fs.openSync(${JSON.stringify(path)}, "r+");
    let result = 0;
    for (let i = 0; i < 10_000 && result === 0; i++) result = os.addon().eventfdWrite(fd);
    assert.equal(result, -os.Errno.EAGAIN);`);
});

test("draining does not block when the peer has cleared the non-blocking mode", (t) => {
  const path = join(temporaryFolder(t), "fifo");
  assert.equal(spawnSync("mkfifo", [path]).status, 0);
  // In children: if it does block, the time limit ends it.
  const drain = (fd: string): string => `
    const fd = ${fd};
    assert.equal(os.addon().eventfdRead(fd), 0);`;
  runChildWell(drain(`fs.openSync(${JSON.stringify(path)}, "r+")`));
  // An unnamed pipe takes another way through the kernel. Its writer ends when the child does.
  runChildWell(`fs.openSync(${JSON.stringify(path)}, "w"); ${drain("0")}`, {
    wrapper: ["sh", "-c", `cat "${path}" | "$@"`, "sh"],
  });
});
