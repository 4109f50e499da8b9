import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { UsageError } from "../../../../src/core/base/index.ts";
import { addon, EventFd, OwnedFd, UnixSocket } from "../../../../src/core/os/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { runChildWell } from "../../support/child.ts";

guardLeaks();

const one = new Uint8Array([1]);

function closeAll(descriptors: readonly OwnedFd[]): void {
  for (const descriptor of descriptors) descriptor.close();
}

function copies(descriptor: OwnedFd, count: number): OwnedFd[] {
  return Array.from({ length: count }, () => descriptor);
}

test("a received descriptor is the same open file", () => {
  const [a, b] = UnixSocket.pair();
  using _a = a;
  using _b = b;
  using event = EventFd.create();
  const received: OwnedFd[] = [];
  a.send(one, 0, 1, [event.descriptor]);
  assert.equal(b.receive(new Uint8Array(8), 0, 8, received), 1);
  assert.equal(received.length, 1);
  const [descriptor] = received;
  assert.ok(descriptor);
  using copy = EventFd.adopt(descriptor);
  event.signal();
  assert.equal(copy.drain(), true);
});

test("253 descriptors make the round trip, appended to those already there", () => {
  const [a, b] = UnixSocket.pair();
  using _a = a;
  using _b = b;
  using event = EventFd.create();
  const received = [event.descriptor];
  assert.equal(a.send(one, 0, 1, copies(event.descriptor, 253)), 1);
  assert.equal(b.receive(new Uint8Array(8), 0, 8, received), 1);
  assert.equal(new Set(received.map((descriptor) => descriptor.fd)).size, 254);
  closeAll(received.slice(1));
});

test("254 descriptors are refused, and so are descriptors without a byte", () => {
  const [a, b] = UnixSocket.pair();
  using _a = a;
  using _b = b;
  using event = EventFd.create();
  assert.throws(() => a.send(one, 0, 1, copies(event.descriptor, 254)), UsageError);
  assert.throws(() => a.send(one, 0, 0, [event.descriptor]), UsageError);
  const EINVAL = 22;
  const fds = new Int32Array(254).fill(event.descriptor.fd);
  assert.equal(addon().sendMessage(a.fd, one, 0, 1, fds, 254), -EINVAL);
  assert.equal(addon().sendMessage(a.fd, one, 0, 0, fds, 1), -EINVAL);
  assert.equal(b.receive(new Uint8Array(8), 0, 8, []), -1);
});

test("received descriptors are not inherited by children", () => {
  const [a, b] = UnixSocket.pair();
  using _a = a;
  using _b = b;
  const received: OwnedFd[] = [];
  a.send(one, 0, 1, [new OwnedFd(0)]);
  b.receive(new Uint8Array(8), 0, 8, received);
  const [descriptor] = received;
  assert.ok(descriptor);
  const [, flags] =
    /flags:\s+(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${descriptor.fd}`, "utf8")) ?? [];
  const O_CLOEXEC = 0o2000000;
  assert.equal(parseInt(flags ?? "0", 8) & O_CLOEXEC, O_CLOEXEC);
  closeAll(received);
});

test("descriptors go with the first byte of a send that is only partly taken", () => {
  const [a, b] = UnixSocket.pair();
  using _a = a;
  using _b = b;
  using event = EventFd.create();
  const large = new Uint8Array(8 << 20);
  const sent = a.send(large, 0, large.length, [event.descriptor]);
  assert.ok(sent > 0 && sent < large.length, `sent ${sent}`);
  assert.equal(a.send(large, sent, large.length - sent), -1);
  const target = new Uint8Array(large.length);
  const received: OwnedFd[] = [];
  let total = b.receive(target, 0, 1, received);
  assert.equal(received.length, 1);
  while (total < sent) total += b.receive(target, total, target.length - total, received);
  assert.equal(total, sent);
  assert.equal(b.receive(target, 0, 1, received), -1);
  assert.equal(received.length, 1);
  closeAll(received);
});

test("bytes of two messages with descriptors are never mixed in one receive", () => {
  const [a, b] = UnixSocket.pair();
  using _a = a;
  using _b = b;
  using event = EventFd.create();
  a.send(one, 0, 1, [event.descriptor]);
  a.send(one, 0, 1, copies(event.descriptor, 2));
  const received: OwnedFd[] = [];
  assert.equal(b.receive(new Uint8Array(8), 0, 8, received), 1);
  assert.equal(received.length, 1);
  assert.equal(b.receive(new Uint8Array(8), 0, 8, received), 1);
  assert.equal(received.length, 3);
  closeAll(received);
});

test("more descriptors than there is room for are all closed", () => {
  const [a, b] = UnixSocket.pair();
  using _a = a;
  using _b = b;
  using event = EventFd.create();
  a.send(one, 0, 1, copies(event.descriptor, 5));
  const before = readdirSync("/proc/self/fd").length;
  const EMSGSIZE = 90;
  const out = new Int32Array(1 + 4);
  assert.equal(addon().receiveMessage(b.fd, new Uint8Array(8), 0, 8, out), -EMSGSIZE);
  assert.equal(out[0], 0);
  assert.equal(readdirSync("/proc/self/fd").length, before);
});

test("descriptors never received are closed with the socket", () => {
  const [a, b] = UnixSocket.pair();
  using event = EventFd.create();
  a.send(one, 0, 1, copies(event.descriptor, 100));
  a.close();
  b.close();
  // The leak guard counts; a cycle (a socket sent over itself) is the kernel's to collect.
});

test("descriptors that the kernel cut short are all closed", () => {
  runChildWell(
    `const [a, b] = os.UnixSocket.pair();
     const count = () => fs.readdirSync("/proc/self/fd").length;
     const room = 64 - count();
     a.send(new Uint8Array(1), 0, 1, Array(room + 10).fill(new os.OwnedFd(0)));
     const before = count();
     const received = [];
     assert.throws(() => b.receive(new Uint8Array(8), 0, 8, received), {
       name: "ProtocolError", code: "ERR_VHOST_PROTOCOL", message: /ulimit/ });
     assert.deepEqual(received, []);
     assert.equal(count(), before);`,
    { descriptors: 64 },
  );
});

test("too many descriptors in flight is -1, and sending works again once they are received", (t) => {
  // The kernel's limit does not hold for root, so root changes to another user first.
  const wrapper =
    process.getuid?.() === 0
      ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]
      : [];
  if (wrapper.length > 0 && runAs(wrapper) !== 0) {
    t.skip("needs setpriv, and a checkout that every user can read");
    return;
  }
  runChildWell(
    `const [a, b] = os.UnixSocket.pair();
     const copies = Array(100).fill(new os.OwnedFd(0));
     let messages = 0;
     while (messages < 50 && a.send(new Uint8Array(1), 0, 1, copies) === 1) messages++;
     assert.ok(messages > 1 && messages < 10, String(messages));
     assert.equal(a.send(new Uint8Array(1), 0, 1), 1, "the socket itself is not full");
     for (let i = 0; i < messages; i++) {
       const received = [];
       assert.equal(b.receive(new Uint8Array(1), 0, 1, received), 1);
       for (const descriptor of received) descriptor.close();
     }
     assert.equal(a.send(new Uint8Array(1), 0, 1, copies), 1);`,
    { wrapper, descriptors: 200 },
  );
});

function runAs(wrapper: readonly string[]): number {
  try {
    runChildWell("os.addon();", { wrapper });
    return 0;
  } catch {
    return 1;
  }
}
