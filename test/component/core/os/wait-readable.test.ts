import assert from "node:assert/strict";
import { test } from "node:test";
import { EventFd, UnixSocket, waitReadable } from "../../../../src/core/os/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { runChildWell } from "../../support/child.ts";

guardLeaks();

test("reports which descriptors are ready, and skips holes", () => {
  using first = EventFd.create();
  using second = EventFd.create();
  const fds = Int32Array.of(first.descriptor.fd, -1, second.descriptor.fd);
  const ready = new Int32Array(3).fill(9);
  assert.equal(waitReadable(fds, ready, 0), 0);
  assert.deepEqual([...ready], [0, 0, 0]);
  second.signal();
  assert.equal(waitReadable(fds, ready, -1), 1);
  assert.deepEqual([...ready], [0, 0, 1]);
  first.signal();
  assert.equal(waitReadable(fds, ready, Infinity), 2);
  assert.deepEqual([...ready], [1, 0, 1]);
});

test("returns after the time-out and not before", () => {
  using event = EventFd.create();
  const start = performance.now();
  assert.equal(waitReadable(Int32Array.of(event.descriptor.fd), new Int32Array(1), 20_000), 0);
  assert.ok(performance.now() - start >= 19.9);
});

test("the end of a stream is ready", () => {
  const [a, b] = UnixSocket.pair();
  using _a = a;
  b.close();
  assert.equal(waitReadable(Int32Array.of(a.fd), new Int32Array(1), -1), 1);
});

test("takes more descriptors than fit its stack", () => {
  using event = EventFd.create();
  event.signal();
  const fds = new Int32Array(1000).fill(-1);
  fds[999] = event.descriptor.fd;
  const ready = new Int32Array(1000);
  assert.equal(waitReadable(fds, ready, -1), 1);
  assert.equal(ready[999], 1);
});

test("a closed descriptor is EBADF, a short result array a TypeError", () => {
  const event = EventFd.create();
  const fds = Int32Array.of(event.descriptor.fd);
  event.close();
  assert.throws(() => waitReadable(fds, new Int32Array(1), -1), { code: "EBADF" });
  assert.throws(() => waitReadable(fds, new Int32Array(0), -1), TypeError);
  assert.throws(() => waitReadable(fds, new Int32Array(1), NaN), TypeError);
});

test("a blocked worker is woken by the main thread", () => {
  runChildWell(`
    const event = os.EventFd.create();
    const thread = worker(\`
      parentPort.postMessage("waiting");
      const ready = new Int32Array(1);
      parentPort.postMessage(os.waitReadable(Int32Array.of(\${event.descriptor.fd}), ready, -1));
    \`);
    // Watched from here: the last message and the end may come together.
    const ended = once(thread, "exit");
    await once(thread, "message");
    event.signal();
    assert.deepEqual(await once(thread, "message"), [1]);
    await ended;`);
});
