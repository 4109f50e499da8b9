import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { StateError, TimeoutError, UsageError } from "../../../../src/core/base/index.ts";
import { UnixListener, UnixSocket } from "../../../../src/core/os/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { temporaryFolder } from "../../support/folder.ts";

guardLeaks();

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test("carries bytes both ways", () => {
  const [a, b] = UnixSocket.pair();
  using _a = a;
  using _b = b;
  const buffer = new Uint8Array(16);
  assert.equal(a.send(bytes("hello"), 1, 3), 3);
  assert.equal(b.receive(buffer, 4, 12, []), 3);
  assert.equal(Buffer.from(buffer.subarray(4, 7)).toString(), "ell");
  assert.equal(b.send(bytes("back"), 0, 4), 4);
  assert.equal(a.receive(buffer, 0, 16, []), 4);
});

test("receive returns -1 when there is nothing yet and 0 at the end of the stream", () => {
  const [a, b] = UnixSocket.pair();
  using _b = b;
  const buffer = new Uint8Array(8);
  assert.equal(b.receive(buffer, 0, 8, []), -1);
  a.send(bytes("x"), 0, 1);
  a.close();
  assert.equal(b.receive(buffer, 0, 8, []), 1);
  assert.equal(b.receive(buffer, 0, 8, []), 0);
  assert.equal(b.receive(buffer, 0, 8, []), 0);
});

test("shutting down one direction is the end of the peer's stream only", () => {
  const [a, b] = UnixSocket.pair();
  using _a = a;
  using _b = b;
  a.shutdown("send");
  const buffer = new Uint8Array(8);
  assert.equal(b.receive(buffer, 0, 8, []), 0);
  assert.equal(b.send(bytes("x"), 0, 1), 1);
  assert.equal(a.receive(buffer, 0, 8, []), 1);
});

test("sending to a closed peer is EPIPE and no signal", async (t) => {
  const onSignal = t.mock.fn();
  process.on("SIGPIPE", onSignal);
  t.after(() => process.off("SIGPIPE", onSignal));
  const [a, b] = UnixSocket.pair();
  using _a = a;
  b.close();
  assert.throws(() => a.send(bytes("x"), 0, 1), { name: "SystemError", code: "EPIPE" });
  // A signal of one's own arrives before the next turn of the event loop.
  await setImmediate();
  await setImmediate();
  assert.equal(onSignal.mock.callCount(), 0);
});

test("a peer that closes with bytes unread is ECONNRESET", () => {
  const [a, b] = UnixSocket.pair();
  using _a = a;
  a.send(bytes("x"), 0, 1);
  b.close();
  assert.throws(() => a.receive(new Uint8Array(8), 0, 8, []), {
    code: "ECONNRESET",
    syscall: "recvmsg",
  });
});

test("refuses windows outside the buffer and receiving nothing", () => {
  const [a, b] = UnixSocket.pair();
  using _a = a;
  using _b = b;
  assert.throws(() => a.send(new Uint8Array(4), 2, 3), TypeError);
  assert.throws(() => a.send(new Uint8Array(4), -1, 1), TypeError);
  assert.throws(() => a.receive(new Uint8Array(4), 0, 5, []), TypeError);
  assert.throws(() => a.receive(new Uint8Array(4), 0, 0, []), UsageError);
});

test("a closed socket says so, and closing it again is harmless", () => {
  const [a, b] = UnixSocket.pair();
  a.close();
  a.close();
  b.close();
  assert.equal(a.closed, true);
  assert.throws(() => a.fd, StateError);
});

test("reports the process and user of the peer", async (t) => {
  const path = join(temporaryFolder(t), "s");
  using listener = UnixListener.listen(path);
  using client = await UnixSocket.connect(path);
  using server = listener.accept();
  const self = { pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() };
  assert.deepEqual(client.peer, self);
  assert.deepEqual(server?.peer, self);
});

test("connecting reports a missing path and a socket without a listener", async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, "missing");
  await assert.rejects(UnixSocket.connect(path), { code: "ENOENT", syscall: "connect", path });
  await assert.rejects(UnixSocket.connect(folder), { code: "ECONNREFUSED" });
});

test("a path of 107 bytes works, one of 108 is refused with both numbers", async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, "x".repeat(107 - folder.length - 1));
  assert.equal(path.length, 107);
  using listener = UnixListener.listen(path);
  using client = await UnixSocket.connect(path);
  using server = listener.accept();
  assert.ok(client.fd >= 0 && server);
  const named = { name: "UsageError", message: /107.*108/ };
  await assert.rejects(UnixSocket.connect(`${path}y`), named);
  assert.throws(() => UnixListener.listen(`${path}y`), named);
});

test("counts the bytes of a path, not its characters", async () => {
  await assert.rejects(UnixSocket.connect(`/${"é".repeat(60)}`), /121/);
});

test("refuses an empty path and one with a NUL", async () => {
  await assert.rejects(UnixSocket.connect(""), UsageError);
  await assert.rejects(UnixSocket.connect("\0abstract"), UsageError);
});

test("a full backlog is retried until there is room", async (t) => {
  const path = join(temporaryFolder(t), "s");
  using listener = UnixListener.listen(path, { backlog: 0 });
  using first = await UnixSocket.connect(path);
  // The time-out proves that it is full; only then is the second attempt worth anything.
  await assert.rejects(UnixSocket.connect(path, { timeoutMs: 30 }), (error: Error) => {
    assert.ok(error instanceof TimeoutError);
    assert.match(error.message, /backlog stayed full for 30 ms/);
    return true;
  });
  const second = UnixSocket.connect(path);
  using acceptedFirst = listener.accept();
  using connected = await second;
  using acceptedSecond = listener.accept();
  assert.ok(first.fd >= 0 && connected.fd >= 0 && acceptedFirst && acceptedSecond);
});

test("waiting for a full backlog can be aborted", async (t) => {
  const path = join(temporaryFolder(t), "s");
  using listener = UnixListener.listen(path, { backlog: 0 });
  using first = await UnixSocket.connect(path);
  const controller = new AbortController();
  const second = UnixSocket.connect(path, { signal: controller.signal });
  const reason = new Error("enough");
  controller.abort(reason);
  await assert.rejects(second, reason);
  await assert.rejects(UnixSocket.connect(path, { signal: controller.signal }), reason);
  assert.ok(listener.fd >= 0 && first.fd >= 0);
});
