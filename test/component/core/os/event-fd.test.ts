import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { EventFd, OwnedFd, SharedMemory, UnixSocket } from "../../../../src/core/os/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { fillCounter, makeBlocking, modeOf } from "../../../support/open-file.ts";
import { runChildWell } from "../../support/child.ts";
import { temporaryFolder } from "../../support/folder.ts";

guardLeaks();

const openFileModule = new URL("../../../support/open-file.js", import.meta.url).href;
/** Code of a child: `fd`, an event descriptor in blocking mode. */
const BLOCKING = `
  const { makeBlocking, fillCounter } = await import(${JSON.stringify(openFileModule)});
  const fd = os.addon().eventfd(0);
  makeBlocking(fd);`;
const FULL_AND_BLOCKING = `${BLOCKING}
  fillCounter(fd);`;

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
  fillCounter(event.descriptor.fd);
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

test("adopting, signalling and draining leave the mode of the open file alone", () => {
  using event = EventFd.create();
  const { fd } = event.descriptor;
  makeBlocking(fd);
  const before = modeOf(fd);
  using copy = EventFd.adopt(event.descriptor.duplicate());
  copy.signal();
  copy.signalOwn();
  assert.equal(copy.drain(), true);
  assert.equal(copy.drain(), false);
  assert.equal(modeOf(fd), before);
});

// In children: if a call does block, the time limit ends it.

test("signalling does not block when the descriptor is in blocking mode and full", (t) => {
  const path = join(temporaryFolder(t), "fifo");
  assert.equal(spawnSync("mkfifo", [path]).status, 0);
  // A named pipe is opened in blocking mode, and is full after 64 KiB.
  runChildWell(`
    const fd = fs.openSync(${JSON.stringify(path)}, "r+");
    let result = 0;
    for (let i = 0; i < 10_000 && result === 0; i++) result = os.addon().eventfdWrite(fd);
    assert.equal(result, -os.Errno.EAGAIN);`);
  runChildWell(`${FULL_AND_BLOCKING}
    for (let i = 0; i < 1000; i++) assert.equal(os.addon().eventfdWrite(fd), -os.Errno.EAGAIN);`);
});

test("a write to a counter that was filled behind the look ends, in every thread", () => {
  // What is behind the look is this call: the state is what it finds when the peer was in between.
  const write = `for (let i = 0; i < 20; i++) {
    const result = os.addon().eventfdWriteOwn(fd);
    if (result !== -os.Errno.EAGAIN) throw new Error("the write returned " + result);
  }`;
  runChildWell(`${FULL_AND_BLOCKING}
    const write = "const fd = " + fd + ";" + ${JSON.stringify(write)};
    // Some of the threads use what threads that have ended left behind.
    for (let i = 0; i < 3; i++) {
      const threads = [worker(write), worker(write)];
      for (let k = 0; k < 20; k++) assert.equal(os.addon().eventfdWriteOwn(fd), -os.Errno.EAGAIN);
      await Promise.all(threads.map((thread) => once(thread, "exit")));
    }
    assert.equal(os.addon().eventfdRead(fd), 1);
    assert.equal(os.addon().eventfdWriteOwn(fd), 0);
    assert.equal(os.addon().eventfdRead(fd), 1);`);
});

test("a write that the deadline ended reports nothing to other calls of the thread", () => {
  runChildWell(`${FULL_AND_BLOCKING}
    const { execFileSync } = await import("node:child_process");
    for (let i = 0; i < 10; i++) {
      assert.equal(os.addon().eventfdWriteOwn(fd), -os.Errno.EAGAIN);
      // A blocking read(2) of a pipe, which a signal would end with EINTR.
      assert.equal(execFileSync("echo", ["read"], { encoding: "utf8" }), "read\\n");
    }`);
});

test("signals return while another thread fills the counter and drains it without end", () => {
  const peer = `parentPort.once("message", (shared) => {
    const counts = new Int32Array(shared);
    const full = new Uint8Array(new BigUint64Array([0xffff_ffff_ffff_fffen]).buffer);
    while (Atomics.load(counts, 0) === 0) {
      os.addon().writeAvailable(fd, full, 0, 8);
      os.addon().eventfdRead(fd);
    }
    parentPort.postMessage("ended");
  });`;
  runChildWell(`${BLOCKING}
    const counts = new Int32Array(new SharedArrayBuffer(4));
    const peer = worker("const fd = " + fd + ";" + ${JSON.stringify(peer)});
    peer.postMessage(counts.buffer);
    await once(peer, "online");
    for (let i = 0; i < 30_000; i++) {
      const result = os.addon().eventfdWrite(fd);
      if (result !== 0) assert.equal(result, -os.Errno.EAGAIN);
    }
    Atomics.store(counts, 0, 1);
    await once(peer, "message");
    os.addon().eventfdRead(fd);
    assert.equal(os.addon().eventfdWrite(fd), 0);
    assert.equal(os.addon().eventfdRead(fd), 1);`);
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
