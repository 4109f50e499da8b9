import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  PeerClosedError,
  ProtocolError,
  StateError,
  TimeoutError,
  UsageError,
} from "../../../../src/core/base/index.ts";
import { EventFd, type OwnedFd, UnixSocket } from "../../../../src/core/os/index.ts";
import { frontendRequests } from "../../../../src/core/protocol/index.ts";
import {
  acceptSocket,
  connectSocket,
  type Frame,
  frameBytes,
  SocketServer,
  UnixChannel,
} from "../../../../src/core/transport/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { until } from "../../../support/until.ts";

guardLeaks();

function frame(request: number, size = 8, fds: Frame["fds"] = []): Frame {
  const payload = new Uint8Array(size).fill(request);
  return { header: { request, flags: 1, size }, payload, fds };
}

/** Two connected channels; `raw` is the socket of the first, to write what no channel would. */
function pair(t: TestContext): [UnixChannel, UnixChannel] {
  const [a, b] = UnixSocket.pair();
  const channels: [UnixChannel, UnixChannel] = [new UnixChannel(a), new UnixChannel(b)];
  t.after(() => {
    for (const channel of channels) channel.close();
  });
  return channels;
}

function collect(channel: UnixChannel): Frame[] {
  const frames: Frame[] = [];
  channel.onFrame((received) => {
    frames.push({ ...received, fds: received.fds.splice(0) });
  });
  return frames;
}

test("a message split at every byte arrives whole", async (t) => {
  const [a, b] = pair(t);
  const received = collect(b);
  const bytes = frameBytes(frame(3, 20));
  for (let at = 1; at < bytes.length; at += 1) {
    await a.sendBytes(bytes.subarray(0, at), []);
    await a.sendBytes(bytes.subarray(at), []);
    await until(() => received.length === at, "the message");
    assert.deepEqual(received.at(-1)?.payload, frame(3, 20).payload);
  }
});

test("two messages in one write; descriptors stay with the message they came with", async (t) => {
  const [a, b] = pair(t);
  const received = collect(b);
  const event = EventFd.create();
  t.after(() => event.close());
  await a.sendBytes(Buffer.concat([frameBytes(frame(1)), frameBytes(frame(2))]), []);
  await a.sendBytes(Buffer.concat([frameBytes(frame(3)), frameBytes(frame(4))]), [
    event.descriptor,
  ]);
  await a.send(frame(5, 0, [event.descriptor, event.descriptor]));
  await until(() => received.length === 5, "five messages");
  assert.deepEqual(
    received.map(({ header, fds }) => [header.request, fds.length]),
    [
      [1, 0],
      [2, 0],
      [3, 1],
      [4, 0],
      [5, 2],
    ],
  );
  for (const { fds } of received) for (const fd of fds) fd.close();
});

test("what a handler leaves in a frame is closed, also when it throws or waits", async (t) => {
  for (const behave of [
    (): void => undefined,
    (): void => {
      throw new Error("no");
    },
    async (): Promise<void> => new Promise((resolve) => setImmediate(resolve)),
    async (): Promise<void> => Promise.reject(new Error("no")),
  ]) {
    const [a, b] = pair(t);
    const event = EventFd.create();
    let seen: Frame | undefined;
    let came: (() => void) | undefined;
    const arrived = new Promise<void>((resolve) => (came = resolve));
    b.onFrame((received) => {
      seen = { ...received, fds: [...received.fds] };
      came?.();
      return behave();
    });
    await a.send(frame(1, 8, [event.descriptor]));
    event.close();
    await arrived;
    await until(() => seen?.fds[0]?.closed === true, "the descriptor to be closed");
  }
});

test("descriptors in the middle of a message end the channel and are closed", async (t) => {
  const [a, b] = pair(t);
  collect(b);
  const event = EventFd.create();
  const bytes = frameBytes(frame(1, 100));
  await a.sendBytes(bytes.subarray(0, 50), []);
  await a.sendBytes(bytes.subarray(50), [event.descriptor]);
  event.close();
  const { by, error } = await b.closed;
  assert.equal(by, "error");
  assert.ok(error instanceof ProtocolError);
  assert.match(error.message, /with the first byte of a message, got 1 after byte (12|50)/);
});

test("an unfinished message's descriptors are closed with the channel", async (t) => {
  const [a, b] = pair(t);
  collect(b);
  const event = EventFd.create();
  await a.sendBytes(frameBytes(frame(1)).subarray(0, 5), [event.descriptor]);
  event.close();
  await new Promise((resolve) => setImmediate(resolve));
  b.close();
  // The leak guard counts.
});

test("a header that announces too much ends the channel", async (t) => {
  const [a, b] = pair(t);
  collect(b);
  const bytes = frameBytes(frame(1));
  new DataView(bytes.buffer).setUint32(8, 0xffff_ffff, true);
  await a.sendBytes(bytes, []);
  const { by, error } = await b.closed;
  assert.equal(by, "error");
  assert.match(error.message, /at most 4096 bytes, the header announces 4294967295/);
});

test("close reasons: by us, by the peer between messages, by the peer within one", async (t) => {
  const [a, b] = pair(t);
  collect(b);
  a.close();
  assert.equal((await a.closed).by, "local");
  const ended = await b.closed;
  assert.equal(ended.by, "peer");
  assert.ok(ended.error instanceof PeerClosedError);
  assert.equal(ended.error.message, "the peer closed the connection");
  const [c, d] = pair(t);
  collect(d);
  await c.sendBytes(frameBytes(frame(1)).subarray(0, 13), []);
  c.close(new ProtocolError("enough"));
  c.close();
  assert.deepEqual(await c.closed, { by: "error", error: new ProtocolError("enough") });
  assert.match((await d.closed).error.message, /in the middle of a message, after 13 bytes/);
  await assert.rejects(c.send(frame(1)), /enough/);
});

test("a full socket: messages wait in order, partly sent ones go on, descriptors leave once", async (t) => {
  const [a, b] = pair(t);
  const event = EventFd.create();
  const count = 300;
  const sent: Promise<void>[] = [];
  for (let i = 0; i < count; i += 1) sent.push(a.send(frame(i, 4000, [event.descriptor])));
  // The sender may close them at once, whether or not the kernel has taken the message.
  event.close();
  const received = collect(b);
  await Promise.all(sent);
  await until(() => received.length === count, "all messages");
  assert.ok(
    received.every(
      ({ header, fds, payload }, i) =>
        header.request === i && fds.length === 1 && payload[3999] === (i & 0xff),
    ),
  );
  for (const { fds } of received) for (const fd of fds) fd.close();
});

test("a message sent in parts brings its descriptors once", async (t) => {
  const [first, raw] = UnixSocket.pair();
  const a = new UnixChannel(first);
  t.after(() => {
    a.close();
    raw.close();
  });
  const event = EventFd.create();
  const bytes = new Uint8Array(4 << 20);
  let taken = false;
  const sent = a.sendBytes(bytes, [event.descriptor]).then(() => (taken = true));
  event.close();
  assert.equal(taken, false);
  const sink = new Uint8Array(1 << 16);
  const fds: OwnedFd[] = [];
  let count = 0;
  await until(() => {
    const received = raw.receive(sink, 0, sink.length, fds);
    if (received > 0) count += received;
    return count === bytes.length;
  }, "all bytes");
  await sent;
  assert.equal(fds.length, 1);
  for (const fd of fds) fd.close();
});

test("what still waits to be sent when the channel closes is rejected", async (t) => {
  const [a] = pair(t);
  const event = EventFd.create();
  const sent = Array.from({ length: 300 }, () => a.send(frame(1, 4000, [event.descriptor])));
  event.close();
  a.close();
  const results = await Promise.allSettled(sent);
  const last = results.at(-1);
  assert.ok(last?.status === "rejected" && last.reason instanceof PeerClosedError);
});

test("a peer that never reads does not make us keep messages without end", async (t) => {
  const [a] = pair(t);
  const results: Promise<void>[] = [];
  for (let i = 0; i < 3000; i += 1) results.push(a.send(frame(1, 4000)));
  const last = results.at(-1);
  assert.ok(last);
  await assert.rejects(
    last,
    (error) => error instanceof StateError && /1024 of them already wait/.test(error.message),
  );
  a.close();
  await Promise.allSettled(results);
});

test("while a handler is busy nothing more is read", async (t) => {
  const [a, b] = pair(t);
  let release: (() => void) | undefined;
  let started = 0;
  b.onFrame(async () => {
    started += 1;
    await new Promise<void>((resolve) => (release = resolve));
  });
  for (let i = 0; i < 5; i += 1) await a.send(frame(1));
  await until(() => started === 1, "the first message");
  for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(started, 1);
  for (let next = 2; next <= 5; next += 1) {
    release?.();
    await until(() => started === next, "the next message");
  }
  release?.();
});

test("messages behind one another are handled in one turn of the event loop, but not without end", async (t) => {
  const [a, b] = pair(t);
  const turns: number[] = [];
  let turn = 0;
  let ticking = true;
  const tick = (): void => {
    turn += 1;
    if (ticking) setImmediate(tick);
  };
  b.onFrame(async () => {
    await Promise.resolve();
    turns.push(turn);
  });
  for (let i = 0; i < 40; i += 1) await a.send(frame(1));
  tick();
  await until(() => turns.length === 40, "the messages");
  ticking = false;
  const counts = [...new Set(turns)].map((each) => turns.filter((at) => at === each).length);
  assert.deepEqual(counts, [16, 16, 8]);
});

test("answers that were sent before the peer closed are still read when sending fails", async (t) => {
  const [a, b] = pair(t);
  const received = collect(a);
  await b.send(frame(7));
  b.close();
  await a.send(frame(1)).catch(() => undefined);
  await until(() => received.length === 1, "the answer");
  assert.equal((await a.closed).by, "peer");
});

test("the observer sees both directions, and its failure ends the channel cleanly", async (t) => {
  const [first, second] = UnixSocket.pair();
  const log: string[] = [];
  const a = new UnixChannel(first, {
    observe: (way, { header }) => log.push(`${way} ${header.request}`),
  });
  const b = new UnixChannel(second, {
    observe: () => {
      throw new Error("observer");
    },
  });
  t.after(() => {
    a.close();
    b.close();
  });
  collect(a);
  b.onFrame(() => undefined);
  const event = EventFd.create();
  await a.send(frame(1, 8, [event.descriptor]));
  event.close();
  assert.match((await b.closed).error.message, /observer/);
  assert.deepEqual(log, ["sent 1"]);
});

test("only one may read a channel", (t) => {
  const [a] = pair(t);
  a.onFrame(() => undefined);
  assert.throws(() => a.onFrame(() => undefined), StateError);
});

test("the table of requests needs no larger payload than a channel accepts", () => {
  for (const { name, payload, reply } of Object.values(frontendRequests)) {
    assert.ok(reply.codec.maxSize <= 4096, name);
    assert.ok(name === "VHOST_USER_SET_MEM_TABLE" || payload.maxSize <= 4096, name);
  }
});

test("accepting on a path that is taken fails at once, and nothing is left running", async (t) => {
  const path = join(temporaryFolder(t), "taken.sock");
  const server = await SocketServer.listen(path, (socket) => socket.close());
  t.after(() => server.close());
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", note);
  t.after(() => process.off("unhandledRejection", note));
  // Would run out, and reject a promise that is not awaited, long before the test ends.
  await assert.rejects(acceptSocket(path, { timeoutMs: 10 }), UsageError);
  // The leak guard would find the timer of this one.
  await assert.rejects(acceptSocket(path, { timeoutMs: 60_000 }), UsageError);
  const start = performance.now();
  await until(() => performance.now() - start > 30, "the time-out to have come");
  assert.deepEqual(unhandled, []);
});

test("accepting gives up in time, on abort, and takes only the first", async (t) => {
  const path = join(temporaryFolder(t), "wait.sock");
  await assert.rejects(
    acceptSocket(path, { timeoutMs: 20 }),
    (error) =>
      error instanceof TimeoutError && error.message.includes("no program connected within 20 ms"),
  );
  const reason = new Error("enough");
  await assert.rejects(acceptSocket(path, { signal: AbortSignal.abort(reason) }), reason);
  const controller = new AbortController();
  const aborted = assert.rejects(acceptSocket(path, { signal: controller.signal }), reason);
  await new Promise((resolve) => setImmediate(resolve));
  controller.abort(reason);
  await aborted;
  const accepted = acceptSocket(path, { timeoutMs: 30_000 });
  await new Promise((resolve) => setImmediate(resolve));
  using first = await connectSocket(path);
  using second = await connectSocket(path);
  using taken = await accepted;
  assert.equal(taken.closed, false);
  assert.equal(first.closed || second.closed, false);
});
