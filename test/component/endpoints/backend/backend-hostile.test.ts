import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { describe, type TestContext, test } from "node:test";
import fc from "fast-check";
import { EventFd, OwnedFd, SharedMemory, UnixSocket } from "../../../../src/core/os/index.ts";
import {
  FrontendRequest,
  frontendRequests,
  HeaderFlag,
  type MemoryRegion,
  ProtocolFeature,
  type RequestSpec,
} from "../../../../src/core/protocol/index.ts";
import { frameBytes } from "../../../../src/core/transport/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { ownEpolls } from "../../support/own-epolls.ts";
import { RAW_PROTOCOL_FEATURES, RawFrontend } from "../../../../src/lab/wire/index.ts";
import { RawRingParts } from "../../support/raw-ring-parts.ts";
import { type Served, serveDisk, survives } from "../../support/session.ts";
import { until } from "../../../support/until.ts";

guardLeaks();

const specs = Object.values(frontendRequests) as unknown as RequestSpec[];
const NEED_REPLY = HeaderFlag.Version | HeaderFlag.NeedReply;

const events = new WeakMap<TestContext, EventFd>();

/** A served disk, and descriptors to send that mean nothing; all gone after the test. */
async function serve(t: TestContext): Promise<Served> {
  const event = EventFd.create();
  t.after(() => event.close());
  events.set(t, event);
  return serveDisk(t);
}

/** One descriptor several times. */
function eventFds(t: TestContext, count: number): OwnedFd[] {
  const event = events.get(t);
  assert.ok(event);
  return Array.from({ length: count }, () => event.descriptor);
}

/** One hostile message on a connection of its own; the back-end must answer or close. */
async function oneMessage(
  served: Served,
  request: number,
  payload: Uint8Array,
  options: { flags?: number; fds?: readonly OwnedFd[] } = {},
  features = RAW_PROTOCOL_FEATURES,
): Promise<boolean> {
  const raw = await RawFrontend.negotiated(served.path, features);
  await raw.send(request, payload, options);
  const alive = await raw.alive();
  raw.close();
  return alive;
}

test("a header cut after each of its bytes", async (t) => {
  const served = await serve(t);
  const header = frameBytes({
    header: { request: FrontendRequest.SetFeatures, flags: 1, size: 8 },
    payload: new Uint8Array(8),
    fds: [],
  });
  for (let count = 0; count < 20; count += 1) {
    await survives(served, async () => {
      const raw = await RawFrontend.connect(served.path);
      if (count > 0) await raw.sendBytes(header.subarray(0, count), { fds: eventFds(t, 3) });
      raw.close();
    });
  }
});

test("numbers of no request", async (t) => {
  const served = await serve(t);
  for (const request of [0, 46, 255, 2 ** 32 - 1]) {
    await survives(served, async () => {
      const fds = eventFds(t, 5);
      assert.equal(await oneMessage(served, request, new Uint8Array(100), { fds }), false);
      const acked = { flags: NEED_REPLY, fds };
      assert.equal(await oneMessage(served, request, new Uint8Array(100), acked), true);
    });
  }
});

describe("each request with the wrong size, descriptors or flags", () => {
  for (const { name, number, payload, descriptors } of specs) {
    test(name, async (t) => {
      const served = await serve(t);
      await survives(served, async () => {
        const sizes = new Set([
          0,
          1,
          payload.minSize - 1,
          payload.minSize,
          payload.maxSize + 1,
          4096,
        ]);
        for (const size of sizes) {
          if (size < 0 || size > 4096) continue;
          for (const fill of [0, 0xff]) {
            const bytes = new Uint8Array(size).fill(fill);
            for (const flags of [1, NEED_REPLY]) await oneMessage(served, number, bytes, { flags });
          }
        }
        const fitting = new Uint8Array(payload.minSize);
        for (const count of [0, 1, 2, 9, 253]) {
          const wrong = count < descriptors.min || count > descriptors.max;
          const fds = eventFds(t, count);
          const alive = await oneMessage(served, number, fitting, { fds });
          assert.ok(!wrong || !alive, `${count} descriptors were accepted`);
          await oneMessage(served, number, fitting, { flags: NEED_REPLY, fds });
        }
        for (const flags of [0, 2, 3, 5, 0xd]) {
          const alive = await oneMessage(served, number, fitting, { flags });
          assert.ok(!alive, `flags ${flags} were accepted`);
        }
        await oneMessage(served, number, fitting, { flags: 0xffff_fff1 });
      });
    });
  }
});

test("a size field that promises more, or a payload that is not to be kept", async (t) => {
  const served = await serve(t);
  for (const size of [9, 4096, 4097, 2 ** 31, 2 ** 32 - 1]) {
    await survives(served, async () => {
      const raw = await RawFrontend.negotiated(served.path);
      await raw.send(FrontendRequest.SetFeatures, 0n, { size, fds: eventFds(t, 8) });
      if (size > 4096) await until(() => raw.closed, "the end");
      raw.close();
    });
  }
});

test("a ring index that the device does not have", async (t) => {
  const served = await serve(t);
  await survives(served, async () => {
    const raw = await RawFrontend.negotiated(served.path);
    for (const index of [1, 255, 256, 0x1_0000, 0x8000_0000, 0xffff_ffff]) {
      for (const request of [
        FrontendRequest.SetVringNum,
        FrontendRequest.SetVringBase,
        FrontendRequest.SetVringEnable,
      ]) {
        assert.equal(await raw.ask(request, { index, num: 1 }), 1n, `${request}, ring ${index}`);
      }
      const address = { index, flags: 0, descriptor: 0n, available: 0n, used: 0n, log: 0n };
      assert.equal(await raw.ask(FrontendRequest.SetVringAddr, address), 1n);
      const payload = Uint8Array.of(index & 0xff, 0, 0, 0, 0, 0, 0, 0);
      if (payload[0] !== 0) {
        assert.equal(await raw.ask(FrontendRequest.SetVringKick, payload, eventFds(t, 1)), 1n);
      }
    }
    assert.ok(await raw.alive());
    // GET_VRING_BASE has a reply of its own: only closing can refuse it.
    assert.equal(await raw.ask(FrontendRequest.GetVringBase, { index: 1, num: 0 }), "closed");
    raw.close();
  });
});

test("requests whose feature was not negotiated", async (t) => {
  const served = await serve(t);
  for (const { name, number, payload, descriptors, requires, reply } of specs) {
    const gated = requires.protocol !== undefined && requires.protocol !== ProtocolFeature.ReplyAck;
    // For GET_QUEUE_NUM it is enough that MQ was offered; a disk does not offer the features of the other requests.
    if (!gated || number === FrontendRequest.GetQueueNum) continue;
    const fds = eventFds(t, descriptors.min);
    const bytes = new Uint8Array(payload.minSize);
    const only = ProtocolFeature.ReplyAck;
    const alive = await oneMessage(served, number, bytes, { flags: NEED_REPLY, fds }, only);
    assert.equal(alive, reply.rule === "ack", name);
    assert.equal(await oneMessage(served, number, bytes, { fds }, 0n), false, name);
  }
  await survives(served, async () => undefined);
});

test("features that were not offered are refused", async (t) => {
  const served = await serve(t);
  await survives(served, async () => {
    const raw = await RawFrontend.negotiated(served.path);
    assert.equal(await raw.ask(FrontendRequest.SetFeatures, 2n ** 64n - 1n), 1n);
    assert.equal(await raw.ask(FrontendRequest.SetFeatures, 0n), 1n);
    assert.equal(await raw.ask(FrontendRequest.SetProtocolFeatures, 2n ** 64n - 1n), 1n);
    assert.ok(await raw.alive());
    raw.close();
  });
  assert.match(served.problems[0]?.message ?? "", /the device does not offer/);
});

describe("memory tables", () => {
  const region = (change: Partial<MemoryRegion> = {}): MemoryRegion => ({
    guestAddress: 0n,
    size: 0x1000n,
    userAddress: 0x10000n,
    mmapOffset: 0n,
    ...change,
  });
  const END = 2n ** 64n;
  const tables: [name: string, regions: MemoryRegion[], fds: number][] = [
    [
      "more regions than descriptors",
      [region(), region({ guestAddress: 0x1000n, userAddress: 0x20000n })],
      1,
    ],
    ["more descriptors than regions", [region()], 2],
    ["no regions, some descriptors", [], 8],
    ["size 0", [region({ size: 0n })], 1],
    ["guest address wraps", [region({ guestAddress: END - 0x800n })], 1],
    ["user address wraps", [region({ userAddress: END - 0x800n })], 1],
    ["offset wraps", [region({ mmapOffset: END - 0x800n })], 1],
    ["size 2^63", [region({ size: 1n << 63n })], 1],
    ["size 2^64 - 1", [region({ size: END - 1n })], 1],
    ["beyond the file", [region({ size: 0x100_0000n })], 1],
    ["offset beyond the file", [region({ mmapOffset: 0x100_0000n })], 1],
    [
      "overlap in guest addresses",
      [region(), region({ guestAddress: 0x800n, userAddress: 0x20000n })],
      2,
    ],
    ["overlap in user addresses", [region(), region({ guestAddress: 0x1000n })], 2],
    [
      "a good region, then a bad one",
      [region(), region({ guestAddress: 0x10000n, userAddress: 0x90000n, size: 0n })],
      2,
    ],
    ["the same region twice", [region(), region()], 2],
  ];
  for (const [name, regions, count] of tables) {
    test(name, async (t) => {
      const served = await serve(t);
      using memory = SharedMemory.create("hostile", 0x4000);
      const fds = Array.from({ length: count }, () => memory.fd);
      await survives(served, async () => {
        const raw = await RawFrontend.negotiated(served.path);
        assert.equal(await raw.ask(FrontendRequest.SetMemTable, { regions }, fds), 1n);
        for (const [i, each] of regions.entries()) {
          if (i > 0 || count !== 1) continue;
          assert.equal(
            await raw.ask(FrontendRequest.AddMemReg, { region: each }, fds),
            name.startsWith("more") ? 0n : 1n,
          );
        }
        assert.equal(await raw.ask(FrontendRequest.SetMemTable, { regions: [] }, []), 0n);
        assert.ok(await raw.alive());
        raw.close();
        const plain = await RawFrontend.negotiated(served.path, 0n);
        await plain.send(FrontendRequest.SetMemTable, { regions }, { fds });
        assert.equal(await plain.alive(), false);
      });
    });
  }

  test("counts that no table can have", async (t) => {
    const served = await serve(t);
    await survives(served, async () => {
      const raw = await RawFrontend.negotiated(served.path);
      for (const count of [1, 9, 253, 254, 255, 0x8000_0000, 0xffff_ffff]) {
        const bytes = new Uint8Array(8 + 32 * 4);
        new DataView(bytes.buffer).setUint32(0, count, true);
        assert.equal(await raw.ask(FrontendRequest.SetMemTable, bytes, eventFds(t, 4)), 1n);
      }
      raw.close();
    });
  });

  test("descriptors of the wrong kind", async (t) => {
    const served = await serve(t);
    const [one, two] = UnixSocket.pair();
    t.after(() => {
      one.close();
      two.close();
    });
    await survives(served, async () => {
      const raw = await RawFrontend.negotiated(served.path);
      for (const path of ["/", "/dev/null", "/dev/zero", "/proc/self/status", process.execPath]) {
        const fd = openSync(path, "r");
        const owned = OwnedFd.duplicateOf(fd);
        closeSync(fd);
        const answer = await raw.ask(FrontendRequest.SetMemTable, { regions: [region()] }, [owned]);
        owned.close();
        assert.equal(answer, 1n, path);
      }
      for (const fd of [OwnedFd.duplicateOf(one.fd), ...eventFds(t, 1).map((e) => e.duplicate())]) {
        assert.equal(await raw.ask(FrontendRequest.AddMemReg, { region: region() }, [fd]), 1n);
        fd.close();
      }
      assert.ok(await raw.alive());
      raw.close();
    });
  });

  test("regions that are not there to be removed, and slots without end", async (t) => {
    const served = await serve(t);
    using memory = SharedMemory.create("hostile", 0x1000);
    await survives(served, async () => {
      const raw = await RawFrontend.negotiated(served.path);
      assert.equal(await raw.ask(FrontendRequest.RemMemReg, { region: region() }), 1n);
      assert.equal(await raw.ask(FrontendRequest.AddMemReg, { region: region() }, [memory.fd]), 0n);
      assert.equal(await raw.ask(FrontendRequest.AddMemReg, { region: region() }, [memory.fd]), 1n);
      assert.equal(await raw.ask(FrontendRequest.RemMemReg, { region: region({ size: 1n }) }), 1n);
      assert.equal(await raw.ask(FrontendRequest.RemMemReg, { region: region() }), 0n);
      let added = 0n;
      for (let i = 0n; i < 600n; i += 1n) {
        const next = region({ guestAddress: i * 0x1000n, userAddress: i * 0x1000n });
        if ((await raw.ask(FrontendRequest.AddMemReg, { region: next }, [memory.fd])) !== 0n) break;
        added += 1n;
      }
      assert.equal(added, 509n);
      raw.close();
    });
  });
});

describe("rings set up in the wrong order or with the wrong values", () => {
  const {
    SetVringNum,
    SetVringBase,
    SetVringAddr,
    SetVringKick,
    SetVringCall,
    SetVringEnable,
    GetVringBase,
  } = FrontendRequest;
  const KICK = { index: 0, noFd: false };

  async function withRing(
    t: TestContext,
    steps: number,
    hostile: (raw: RawFrontend, parts: RawRingParts) => Promise<void>,
  ): Promise<void> {
    const served = await serve(t);
    await survives(served, async () => {
      const parts = new RawRingParts();
      const raw = await RawFrontend.connect(served.path);
      await parts.bringUp(raw, steps);
      assert.ok(await raw.alive());
      await hostile(raw, parts);
      assert.ok(await raw.alive(), "the session ended");
      // What was refused has not left anything half done: the rest of the bring-up works.
      for (const { request, payload, fds = [] } of parts.steps.slice(7)) {
        if (request === GetVringBase) continue;
        assert.equal(await raw.ask(request, payload, fds), 0n, `request ${request} afterwards`);
      }
      assert.equal(await raw.ask(GetVringBase, { index: 0, num: 0 }), 0n);
      raw.close();
      parts.close();
    });
  }

  test("kick before size, before addresses", async (t) => {
    await withRing(t, 7, async (raw, { kick }) => {
      assert.equal(await raw.ask(SetVringKick, KICK, [kick.descriptor]), 1n);
      assert.equal(await raw.ask(SetVringEnable, { index: 0, num: 1 }), 0n);
      assert.equal(await raw.ask(SetVringKick, KICK, [kick.descriptor]), 1n);
      assert.equal(await raw.ask(SetVringKick, { index: 0, noFd: true }), 1n);
      assert.equal(await raw.ask(SetVringNum, { index: 0, num: 16 }), 0n);
      assert.equal(await raw.ask(SetVringKick, KICK, [kick.descriptor]), 1n);
    });
  });

  test("kick with something that cannot be polled", async (t) => {
    await withRing(t, 10, async (raw) => {
      assert.equal(await raw.ask(SetVringEnable, { index: 0, num: 1 }), 0n);
      for (const path of ["/", process.execPath]) {
        const fd = openSync(path, "r");
        const owned = OwnedFd.duplicateOf(fd);
        closeSync(fd);
        assert.equal(await raw.ask(SetVringKick, KICK, [owned]), 1n, path);
        owned.close();
      }
    });
  });

  test("kick with an epoll descriptor, whose polling can be made to fail later", async (t) => {
    await withRing(t, 10, async (raw) => {
      assert.equal(await raw.ask(SetVringEnable, { index: 0, num: 1 }), 0n);
      for (const epoll of ownEpolls()) {
        assert.equal(await raw.ask(SetVringKick, KICK, [epoll]), 1n);
        epoll.close();
      }
    });
  });

  test("a running ring gets a kick that cannot be polled and goes on with the old one", async (t) => {
    await withRing(t, 13, async (raw, { kick }) => {
      const fd = openSync(process.execPath, "r");
      const owned = OwnedFd.duplicateOf(fd);
      closeSync(fd);
      assert.equal(await raw.ask(SetVringKick, KICK, [owned]), 1n);
      assert.equal(await raw.ask(SetVringCall, KICK, [owned]), 1n);
      owned.close();
      kick.signal();
      assert.equal(
        await raw.ask(SetVringNum, { index: 0, num: 8 }),
        1n,
        "it does not run any more",
      );
      assert.equal(await raw.ask(GetVringBase, { index: 0, num: 0 }), 0n);
    });
  });

  test("sizes that no split ring has", async (t) => {
    await withRing(t, 7, async (raw) => {
      for (const num of [0, 3, 1025, 2048, 65536, 0xffff_ffff]) {
        assert.equal(await raw.ask(SetVringNum, { index: 0, num }), 1n, String(num));
      }
    });
  });

  test("addresses outside of memory, unaligned, wrapping", async (t) => {
    await withRing(t, 8, async (raw, { address }) => {
      for (const change of [
        { descriptor: 0n },
        { descriptor: address.descriptor + 1n },
        { available: address.available + 1n },
        { used: address.used + 2n },
        { used: 2n ** 64n - 4n },
        { descriptor: address.descriptor + 0xffc0n },
      ]) {
        assert.equal(await raw.ask(SetVringAddr, { ...address, ...change }), 1n);
      }
      assert.equal(await raw.ask(SetVringKick, KICK, eventFds(t, 1)), 1n, "no address was taken");
    });
  });

  test("a refused address leaves the one before in force", async (t) => {
    await withRing(t, 10, async (raw, { address }) => {
      assert.equal(await raw.ask(SetVringAddr, { ...address, used: 0n }), 1n);
      assert.equal(await raw.ask(SetVringKick, KICK, eventFds(t, 1)), 0n);
      assert.equal(await raw.ask(GetVringBase, { index: 0, num: 0 }), 0n);
    });
  });

  test("size and base while the ring runs", async (t) => {
    await withRing(t, 13, async (raw, { address }) => {
      assert.equal(await raw.ask(SetVringNum, { index: 0, num: 8 }), 1n);
      assert.equal(await raw.ask(SetVringBase, { index: 0, num: 7 }), 1n);
      const moved = { ...address, used: address.used + 4n };
      assert.equal(await raw.ask(SetVringAddr, moved), 1n);
      assert.equal(await raw.ask(SetVringAddr, { ...address, flags: 1 }), 0n);
      assert.equal(await raw.ask(GetVringBase, { index: 0, num: 0 }), 0n);
      assert.equal(await raw.ask(GetVringBase, { index: 0, num: 0 }), 0n);
    });
  });

  test("no-descriptor bit together with a descriptor, and neither of them", async (t) => {
    await withRing(t, 10, async (raw) => {
      for (const request of [SetVringKick, SetVringCall, FrontendRequest.SetVringErr]) {
        assert.equal(await raw.ask(request, { index: 0, noFd: true }, eventFds(t, 1)), 1n);
        assert.equal(await raw.ask(request, { index: 0, noFd: false }), 1n);
      }
    });
  });

  test("enabled and disabled, kicked and stopped, many times", async (t) => {
    await withRing(t, 13, async (raw, { kick, call }) => {
      for (let i = 0; i < 200; i += 1) {
        await raw.send(SetVringEnable, { index: 0, num: i & 1 });
        await raw.send(SetVringCall, KICK, { fds: [call.descriptor] });
        if (i % 10 === 0) await raw.send(SetVringKick, KICK, { fds: [kick.descriptor] });
      }
      assert.equal(await raw.ask(GetVringBase, { index: 0, num: 0 }), 0n);
    });
  });

  test("memory is taken away under a running ring", async (t) => {
    const served = await serve(t);
    await survives(served, async () => {
      const parts = new RawRingParts();
      const raw = await RawFrontend.connect(served.path);
      await parts.bringUp(raw, 13);
      assert.ok(await raw.alive());
      assert.equal(await raw.ask(FrontendRequest.SetMemTable, { regions: [] }), 0n);
      parts.kick.signal();
      assert.equal(await raw.ask(SetVringEnable, { index: 0, num: 0 }), 0n);
      assert.ok(await raw.alive());
      raw.close();
      parts.close();
    });
    assert.match(served.problems.at(-1)?.message ?? "", /ring 0 is broken/);
  });
});

/** Whether the other end was closed, with or without unread bytes in it. */
function hasEnded(socket: UnixSocket): boolean {
  try {
    return socket.receive(new Uint8Array(1), 0, 1, []) === 0;
  } catch {
    return true;
  }
}

test("descriptors that are not sockets as back-end channel", async (t) => {
  const served = await serve(t);
  await survives(served, async () => {
    const raw = await RawFrontend.negotiated(served.path);
    for (const path of ["/", process.execPath]) {
      const fd = openSync(path, "r");
      const owned = OwnedFd.duplicateOf(fd);
      closeSync(fd);
      assert.equal(await raw.ask(FrontendRequest.SetBackendReqFd, undefined, [owned]), 1n);
      owned.close();
    }
    let before: UnixSocket | undefined;
    for (let i = 0; i < 50; i += 1) {
      const [one, two] = UnixSocket.pair();
      const theirs = two.detach();
      assert.equal(await raw.ask(FrontendRequest.SetBackendReqFd, undefined, [theirs]), 0n);
      theirs.close();
      // The one before must have been let go.
      const end = before;
      if (end) await until(() => hasEnded(end), "its end");
      before?.close();
      before = one;
      // Garbage on this one must not matter.
      if (i % 2 === 1) one.send(new Uint8Array(100).fill(0xa5), 0, 100);
    }
    before?.close();
    assert.equal(await raw.ask(FrontendRequest.SetBackendReqFd, undefined, eventFds(t, 1)), 0n);
    assert.ok(await raw.alive());
    raw.close();
  });
});

test("hanging up after each message of a full bring-up", async (t) => {
  const served = await serve(t);
  const { length } = (() => {
    const parts = new RawRingParts();
    const { steps } = parts;
    parts.close();
    return steps;
  })();
  for (let count = 0; count <= length; count += 1) {
    await survives(served, async () => {
      const parts = new RawRingParts();
      const raw = await RawFrontend.connect(served.path, { reading: count % 2 === 0 });
      await parts.bringUp(raw, count);
      parts.kick.signal();
      raw.close();
      parts.close();
    });
  }
});

test("a flood of requests from a front-end that does not read the answers", async (t) => {
  const served = await serve(t);
  await survives(served, async () => {
    const raw = await RawFrontend.connect(served.path, { reading: false });
    const waiting: Promise<void>[] = [];
    for (let i = 0; i < 5000; i += 1) waiting.push(raw.send(FrontendRequest.GetFeatures));
    // Other clients are served meanwhile.
    const other = await RawFrontend.negotiated(served.path);
    assert.ok(await other.alive());
    other.close();
    raw.close();
    await Promise.all(waiting);
  });
});

test("a refused request is reported with REPLY_ACK and the session goes on; without it the session ends", async (t) => {
  const served = await serve(t);
  await survives(served, async () => {
    const raw = await RawFrontend.negotiated(served.path);
    for (let i = 0; i < 100; i += 1) {
      assert.equal(await raw.ask(FrontendRequest.SetVringNum, { index: 0, num: 3 }), 1n);
    }
    await raw.send(FrontendRequest.SetVringNum, { index: 0, num: 3 });
    assert.equal(await raw.alive(), false);
  });
  assert.match(served.problems[0]?.message ?? "", /expected a power of two up to 1024, got 3/);
});

test("random and mutated messages", async (t) => {
  const served = await serve(t);
  const seed = Number(process.env["VHOST_USER_TEST_SEED"] ?? Date.now() & 0x7fff_ffff);
  t.diagnostic(`seed ${seed} (VHOST_USER_TEST_SEED)`);
  const message = fc.record({
    step: fc.nat(14),
    request: fc.oneof(
      { weight: 8, arbitrary: fc.constant(undefined) },
      { weight: 2, arbitrary: fc.integer({ min: 0, max: 50 }) },
    ),
    flags: fc.constantFrom(1, 1, 1, 9, 9, 9, 0, 5, 0xffff_fff9),
    bytes: fc.array(fc.tuple(fc.nat(4095), fc.nat(255)), { maxLength: 3 }),
    resize: fc.oneof(
      { weight: 8, arbitrary: fc.constant(0) },
      { weight: 2, arbitrary: fc.integer({ min: -16, max: 64 }) },
    ),
    fds: fc.constantFrom(undefined, undefined, undefined, undefined, 0, 1, 2, 9),
  });
  await survives(served, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(13),
        fc.array(message, { minLength: 1, maxLength: 12 }),
        async (start, messages) => {
          const parts = new RawRingParts();
          const raw = await RawFrontend.connect(served.path);
          await parts.bringUp(raw, start);
          for (const { step, request, flags, bytes, resize, fds } of messages) {
            const base = parts.steps[step] ?? { request: 1 };
            const spec = specs.find(({ number }) => number === base.request);
            const encoded = spec?.payload.encode(base.payload) ?? new Uint8Array(0);
            const payload = new Uint8Array(Math.max(0, encoded.length + resize));
            payload.set(encoded.subarray(0, payload.length));
            for (const [at, value] of bytes)
              if (payload.length > 0) payload[at % payload.length] = value;
            const own = base.fds ?? [];
            const sent =
              fds === undefined ? own : Array.from({ length: fds }, () => parts.call.descriptor);
            await raw.send(request ?? base.request, payload, { flags, fds: sent });
          }
          parts.kick.signal();
          await raw.alive();
          raw.close();
          parts.close();
        },
      ),
      { seed, numRuns: 100_000, interruptAfterTimeLimit: 8000 },
    );
  });
});
