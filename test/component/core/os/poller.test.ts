import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { StateError } from "../../../../src/core/base/index.ts";
import { EventFd, Poller, type PollEvents, UnixSocket } from "../../../../src/core/os/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { makeBlocking, modeOf } from "../../../support/open-file.ts";
import { runChild, runChildWell } from "../../support/child.ts";
import { ownEpolls } from "../../support/own-epolls.ts";

guardLeaks();

/** Resolves with the first readiness that is reported, and closes the poller. */
function firstReady(fd: number, events: PollEvents): Promise<[boolean, boolean]> {
  return new Promise((resolve) => {
    const poller = new Poller(fd, events, (readable, writable) => {
      poller.close();
      resolve([readable, writable]);
    });
  });
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await setImmediate();
}

test("reports that a descriptor is readable", async () => {
  using event = EventFd.create();
  const ready = firstReady(event.descriptor.fd, { readable: true });
  event.signal();
  assert.deepEqual(await ready, [true, false]);
});

test("reports that a descriptor is writable, or both", async () => {
  const [a, b] = UnixSocket.pair();
  using _a = a;
  using _b = b;
  assert.deepEqual(await firstReady(a.fd, { readable: true, writable: true }), [false, true]);
  b.send(new Uint8Array(1), 0, 1);
  assert.deepEqual(await firstReady(a.fd, { readable: true, writable: true }), [true, true]);
});

test("reports again until the descriptor is no longer ready", async () => {
  using event = EventFd.create();
  let times = 0;
  event.signal();
  await new Promise<void>((resolve) => {
    const poller = new Poller(event.descriptor.fd, { readable: true }, () => {
      if (++times < 3) return;
      event.drain();
      poller.close();
      resolve();
    });
  });
  assert.equal(times, 3);
});

test("can be changed and paused", async () => {
  const [a, b] = UnixSocket.pair();
  using _a = a;
  using _b = b;
  const seen: string[] = [];
  using poller = new Poller(a.fd, {}, (readable, writable) => {
    seen.push(`${readable} ${writable}`);
    poller.update({});
  });
  b.send(new Uint8Array(1), 0, 1);
  await turns(5);
  assert.deepEqual(seen, []);
  poller.update({ writable: true });
  await turns(5);
  assert.deepEqual(seen, ["false true"]);
  poller.update({ readable: true });
  poller.update({ readable: true });
  await turns(5);
  assert.deepEqual(seen, ["false true", "true false"]);
});

test("a closed poller does not call back, and closing it again is harmless", async () => {
  using event = EventFd.create();
  const poller = new Poller(event.descriptor.fd, { readable: true }, () => assert.fail());
  event.signal();
  poller.close();
  poller.close();
  poller.ref();
  poller.unref();
  await turns(5);
  assert.throws(() => poller.update({ readable: true }), StateError);
});

test("the descriptor may be closed right after the poller, and its number used again", async () => {
  const event = EventFd.create();
  const { fd } = event.descriptor;
  const poller = new Poller(fd, { readable: true }, () => assert.fail());
  poller.close();
  event.close();
  using next = EventFd.create();
  assert.equal(next.descriptor.fd, fd);
  next.signal();
  assert.deepEqual(await firstReady(fd, { readable: true }), [true, false]);
});

test("the peer's end counts as readable", async () => {
  const [a, b] = UnixSocket.pair();
  using _a = a;
  b.close();
  assert.deepEqual(await firstReady(a.fd, { readable: true }), [true, false]);
});

test("a peer that closed with bytes unread does not hide what it sent before", async () => {
  const [a, b] = UnixSocket.pair();
  using _a = a;
  a.send(new Uint8Array(1), 0, 1);
  b.send(new Uint8Array(2), 0, 2);
  b.close();
  const outcomes: (number | string)[] = [];
  await new Promise<void>((resolve) => {
    const poller = new Poller(a.fd, { readable: true }, () => {
      try {
        // One byte a time: the poller must go on after the error was reported to it.
        outcomes.push(a.receive(new Uint8Array(1), 0, 1, []));
      } catch (error) {
        outcomes.push((error as NodeJS.ErrnoException).code ?? "");
        poller.close();
        resolve();
      }
    });
  });
  assert.deepEqual(outcomes, [1, 1, "ECONNRESET"]);
});

test("watching a descriptor leaves the mode of its open file alone", async () => {
  using event = EventFd.create();
  const { fd } = event.descriptor;
  makeBlocking(fd);
  const before = modeOf(fd);
  const ready = firstReady(fd, { readable: true });
  event.signal();
  assert.deepEqual(await ready, [true, false]);
  assert.equal(modeOf(fd), before);
});

test("two pollers watch one descriptor", async () => {
  using event = EventFd.create();
  const { fd } = event.descriptor;
  const ready = [firstReady(fd, { readable: true }), firstReady(fd, { readable: true })];
  event.signal();
  assert.deepEqual(await Promise.all(ready), [
    [true, false],
    [true, false],
  ]);
});

test("refuses regular files and closed numbers", () => {
  const poll = (number: number) => () =>
    new Poller(number, { readable: true }, () => undefined).close();
  const file = openSync(fileURLToPath(import.meta.url), "r");
  try {
    assert.throws(poll(file), { code: "EPERM" });
  } finally {
    closeSync(file);
  }
  assert.throws(poll(file), { code: "EBADF" });
  assert.throws(poll(-1), { code: "EBADF" });
});

test("refuses an epoll descriptor, which its owner can make libuv abort with", () => {
  const codes = ownEpolls().map((epoll) => {
    using owned = epoll;
    try {
      new Poller(owned.fd, { readable: true }, () => undefined).close();
      return "taken";
    } catch (error) {
      return (error as { code?: string }).code;
    }
  });
  assert.ok(codes.includes("EPERM"), codes.join());
  assert.ok(!codes.includes("taken"), codes.join());
});

test("updating after the descriptor was closed is EBADF and not an abort", async () => {
  const event = EventFd.create();
  using poller = new Poller(event.descriptor.fd, {}, () => assert.fail());
  event.close();
  assert.throws(() => poller.update({ readable: true }), { code: "EBADF" });
  await turns(2);
});

test("an exception in the callback is an uncaughtException", () => {
  runChildWell(`
    const event = os.EventFd.create();
    event.signal();
    const poller = new os.Poller(event.descriptor.fd, { readable: true }, () => {
      throw new Error("from the callback");
    });
    const [error] = await new Promise((resolve) => {
      process.on("uncaughtException", (...all) => { poller.close(); resolve(all); });
    });
    assert.equal(error.message, "from the callback");`);
  const { status, stderr } = runChild(`
    const event = os.EventFd.create();
    event.signal();
    new os.Poller(event.descriptor.fd, { readable: true }, () => { throw new Error("unheard"); });`);
  assert.notEqual(status, 0);
  assert.match(stderr, /Error: unheard/);
});

test("promises of the callback are settled before the next one", async () => {
  using event = EventFd.create();
  const order: string[] = [];
  event.signal();
  await new Promise<void>((resolve) => {
    const poller = new Poller(event.descriptor.fd, { readable: true }, () => {
      order.push("callback");
      void Promise.resolve().then(() => order.push("promise"));
      if (order.length < 3) return;
      poller.close();
      resolve();
    });
  });
  assert.deepEqual(order.slice(0, 3), ["callback", "promise", "callback"]);
});

test("keeps the process alive, unless it is unreferenced", () => {
  const { stdout } = runChildWell(`
    const event = os.EventFd.create();
    const poller = new os.Poller(event.descriptor.fd, { readable: true }, () => {
      fs.writeSync(1, "called");
      event.drain();
      poller.unref();
      poller.ref();
      poller.unref();
    });
    setTimeout(() => event.signal(), 20).unref();`);
  assert.equal(stdout, "called");
});

for (const [state, body] of [
  ["idle", "new os.Poller(event.descriptor.fd, { readable: true }, () => undefined); ready();"],
  ["busy", "event.signal(); new os.Poller(event.descriptor.fd, { readable: true }, ready);"],
  [
    "throwing",
    `process.on("uncaughtException", () => undefined); event.signal();
     new os.Poller(event.descriptor.fd, { readable: true }, () => { ready(); throw new Error(); });`,
  ],
  ["stopped", "new os.Poller(event.descriptor.fd, {}, () => undefined).close(); ready();"],
] as const) {
  test(`a worker can be terminated while its poller is ${state}`, () => {
    runChildWell(`
      const body = \`
        const event = os.EventFd.create();
        let posted = false;
        const ready = () => { if (!posted) parentPort.postMessage("ready"); posted = true; };
        parentPort.on("message", () => undefined);
        ${body}
      \`;
      for (let i = 0; i < 5; i++) {
        const threads = [worker(body), worker(body)];
        await Promise.all(threads.map((thread) => once(thread, "message")));
        await Promise.all(threads.map((thread) => thread.terminate()));
      }`);
  });
}

test("a process can exit with a live poller", () => {
  runChildWell(`
    const event = os.EventFd.create();
    event.signal();
    new os.Poller(event.descriptor.fd, { readable: true }, () => process.exit(0));`);
});
