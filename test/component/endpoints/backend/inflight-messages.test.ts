import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setImmediate } from "node:timers/promises";
import { BackendServer } from "../../../../src/endpoints/backend/index.ts";
import { Deferred } from "../../../../src/core/base/index.ts";
import { Client, type ReconnectReport } from "../../../../src/endpoints/frontend/index.ts";
import { inflightQueueBytes } from "../../../../src/core/memory/index.ts";
import { EventFd, Mapping, type OwnedFd, SharedMemory } from "../../../../src/core/os/index.ts";
import {
  FrontendRequest,
  type Inflight,
  ProtocolFeature,
} from "../../../../src/core/protocol/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { HoldingDevice } from "../../support/holding-device.ts";
import { unsealedFile } from "../../support/memory.ts";
import { RAW_PROTOCOL_FEATURES, RawFrontend } from "../../../../src/lab/wire/index.ts";
import { RawRingParts } from "../../support/raw-ring-parts.ts";
import { segmentsOf } from "../../support/rings.ts";
import { connectDisk, serveDisk, survives } from "../../support/session.ts";
import { until } from "../../../support/until.ts";

guardLeaks();

const { GetInflightFd, SetInflightFd, SetVringKick, SetVringNum, SetVringEnable } = FrontendRequest;
const FEATURES = RAW_PROTOCOL_FEATURES | ProtocolFeature.InflightShmfd;
const SIZE = 16;
const BYTES = BigInt(inflightQueueBytes(false, SIZE));
const KICK = { index: 0, noFd: false };

function description(change: Partial<Inflight> = {}): Inflight {
  return { mmapSize: BYTES, mmapOffset: 0n, numQueues: 1, queueSize: SIZE, ...change };
}

/** A connection whose ring 0 is set up as far as it goes without a kick. */
async function withRing(
  t: TestContext,
  work: (raw: RawFrontend, parts: RawRingParts, problems: readonly Error[]) => Promise<void>,
): Promise<void> {
  const served = await serveDisk(t);
  await survives(served, async () => {
    const parts = new RawRingParts();
    const raw = await RawFrontend.connect(served.path);
    const steps = parts.steps.map((step) =>
      step.request === FrontendRequest.SetProtocolFeatures ? { ...step, payload: FEATURES } : step,
    );
    for (const { request, payload, fds = [] } of steps.slice(0, 10)) {
      await raw.send(request, payload, { fds });
    }
    assert.ok(await raw.alive());
    await work(raw, parts, served.problems);
    raw.close();
    parts.close();
  });
}

test("the region that a back-end makes is sealed, zeroed and as large as the queues need", async (t) => {
  const served = await serveDisk(t, undefined, 4);
  const client = await connectDisk(t, served, { protocolFeatures: ProtocolFeature.InflightShmfd });
  const asked = { mmapSize: 0n, mmapOffset: 0n, numQueues: 4, queueSize: 128 };
  const { value, fd } = await client.requests.getInflightFd(asked);
  assert.ok(fd);
  assert.deepEqual(value, { ...asked, mmapSize: BigInt(4 * inflightQueueBytes(false, 128)) });
  const mapping = Mapping.map(fd.fd, { offset: 0, length: Number(value.mmapSize), writable: true });
  assert.ok(mapping.bytes.every((byte) => byte === 0));
  mapping.unmap();
  fd.close();
});

test("a region is asked for a thousand times, and none stays", async (t) => {
  const served = await serveDisk(t);
  await survives(served, async () => {
    const raw = await RawFrontend.negotiated(served.path, FEATURES);
    for (let i = 0; i < 1000; i += 1) await raw.send(GetInflightFd, description({ mmapSize: 0n }));
    assert.equal(await raw.alive(), true);
    raw.close();
  });
});

test("numbers that a region cannot have, asked for and handed over", async (t) => {
  await withRing(t, async (raw) => {
    const { fd } = SharedMemory.create("test", 4096);
    const wrong: Partial<Inflight>[] = [
      { numQueues: 0 },
      { numQueues: 2 },
      { numQueues: 0xffff },
      { queueSize: 0 },
      { queueSize: 3 },
      { queueSize: 0x8000 },
      { mmapSize: 0n },
      { mmapSize: BYTES - 1n },
      { mmapSize: 1n << 63n },
      { mmapOffset: 1n },
      { mmapOffset: 8192n },
      { mmapOffset: (1n << 64n) - 4096n },
    ];
    for (const change of wrong) {
      const what = JSON.stringify(change, (_, value: unknown) => String(value));
      assert.equal(await raw.ask(SetInflightFd, description(change), [fd]), 1n, what);
    }
    assert.equal(await raw.ask(SetInflightFd, description(), [fd]), 0n);
    fd.close();
  });
  const served = await serveDisk(t);
  for (const change of [{ numQueues: 0 }, { numQueues: 0xffff }, { queueSize: 0 }]) {
    await survives(served, async () => {
      const raw = await RawFrontend.negotiated(served.path, FEATURES);
      assert.equal(await raw.ask(GetInflightFd, description(change)), "closed");
      raw.close();
    });
  }
});

test("no descriptor, two of them, one that is not a file, one where none belongs", async (t) => {
  await withRing(t, async (raw) => {
    const { fd } = SharedMemory.create("test", 4096);
    const event = EventFd.create();
    assert.equal(await raw.ask(SetInflightFd, description()), 1n);
    assert.equal(await raw.ask(SetInflightFd, description(), [fd, fd]), 1n);
    assert.equal(await raw.ask(SetInflightFd, description(), [event.descriptor]), 1n);
    assert.equal(await raw.ask(GetInflightFd, description(), [fd]), "closed");
    event.close();
    fd.close();
  });
});

test("the 20 bytes of the specification's text are refused, the 24 of all implementations are served", async (t) => {
  const served = await serveDisk(t);
  await survives(served, async () => {
    const raw = await RawFrontend.negotiated(served.path, FEATURES);
    assert.equal(await raw.ask(GetInflightFd, new Uint8Array(20)), "closed");
    raw.close();
  });
});

test("a region before any message of a ring, again and again, then the ring", async (t) => {
  await withRing(t, async (raw, { kick }) => {
    const { fd } = SharedMemory.create("test", 4096);
    for (let i = 0; i < 300; i += 1) await raw.send(SetInflightFd, description(), { fds: [fd] });
    fd.close();
    assert.equal(await raw.ask(SetVringKick, KICK, [kick.descriptor]), 0n);
    assert.equal(await raw.ask(SetVringEnable, { index: 0, num: 1 }), 0n);
    // While a ring runs its notes are not exchanged.
    const other = SharedMemory.create("test", 4096);
    assert.equal(await raw.ask(SetInflightFd, description(), [other.fd]), 1n);
    other.close();
  });
});

test("a ring larger than the region was sized for runs without tracking, and a problem is reported", async (t) => {
  await withRing(t, async (raw, { kick, call }, problems) => {
    const { fd } = SharedMemory.create("test", 4096);
    assert.equal(await raw.ask(SetInflightFd, description({ queueSize: 8 }), [fd]), 0n);
    const mapping = Mapping.map(fd.fd, { offset: 0, length: 4096, writable: false });
    fd.close();
    assert.equal(await raw.ask(SetVringNum, { index: 0, num: SIZE }), 0n);
    assert.equal(await raw.ask(SetVringKick, KICK, [kick.descriptor]), 0n);
    assert.equal(await raw.ask(FrontendRequest.SetVringCall, KICK, [call.descriptor]), 0n);
    assert.equal(await raw.ask(SetVringEnable, { index: 0, num: 1 }), 0n);
    assert.match(
      problems.map(({ message }) => message).join(),
      /^ring 0: expected at most 8 entries, as VHOST_USER_SET_INFLIGHT_FD said, got 16: its requests are not tracked/,
    );
    assert.ok(mapping.bytes.every((byte) => byte === 0));
    mapping.unmap();
  });
});

/** A region that another back-end has left, with these half words in its header. */
function leftBehind(halves: readonly number[], marks: readonly number[]): OwnedFd {
  const fd = unsealedFile(4096);
  const mapping = Mapping.map(fd.fd, { offset: 0, length: 4096, writable: true });
  new Uint16Array(mapping.buffer).set(halves, 4);
  for (const entry of marks) mapping.bytes[16 + 16 * entry] = 1;
  mapping.unmap();
  return fd;
}

test("regions with nonsense in them: the ring is refused, the back-end lives", async (t) => {
  const all = Array.from({ length: SIZE }, (_, i) => i);
  const regions: [halves: readonly number[], marks: readonly number[]][] = [
    [[1, 0xffff, 0, 0], []],
    [[2, SIZE, 0, 0], []],
    [[1, SIZE, 0xffff, 0xffff], []],
    [[1, SIZE, 0, 0], all],
    [[1, SIZE, 0, 0], [3]],
  ];
  for (const [halves, marks] of regions) {
    await withRing(t, async (raw, { kick }) => {
      const fd = leftBehind(halves, marks);
      assert.equal(await raw.ask(SetInflightFd, description(), [fd]), 0n);
      fd.close();
      assert.equal(await raw.ask(SetVringKick, KICK, [kick.descriptor]), 0n);
      assert.equal(await raw.ask(SetVringEnable, { index: 0, num: 1 }), 1n, String(halves));
    });
  }
});

test("after RESET_DEVICE no earlier request is replayed", async (t) => {
  await withRing(t, async (raw, { kick }) => {
    const fd = leftBehind([1, SIZE, 0, 0], [3]);
    assert.equal(await raw.ask(SetInflightFd, description(), [fd]), 0n);
    fd.close();
    assert.equal(await raw.ask(FrontendRequest.ResetDevice), 0n);
    assert.equal(await raw.ask(SetVringKick, KICK, [kick.descriptor]), 0n);
    assert.equal(await raw.ask(SetVringEnable, { index: 0, num: 1 }), 0n);
  });
});

test("a session serves nothing again before the device of the session before is through", async (t) => {
  const devices: HoldingDevice[] = [];
  let handedOver = 0;
  const folder = temporaryFolder(t);
  const path = join(folder, "held.sock");
  const server = await BackendServer.listen(path, {
    device: () => {
      const device = new HoldingDevice();
      devices.push(device);
      return device;
    },
    handler: (request, handler) => (payload, incoming) => {
      if (request === SetInflightFd) handedOver += 1;
      return handler(payload, incoming);
    },
  });
  t.after(() => server.close());
  const reports: ReconnectReport[] = [];
  const client = await Client.connect(path, {
    memory: { size: 1 << 20 },
    reconnect: { onReconnect: (report) => reports.push(report) },
  });
  t.after(() => client.close());
  const done: number[] = [];
  const queue = client.createQueue({
    index: 0,
    size: 16,
    ringMode: "event",
    handler: { done: (token) => done.push(token), failed: () => undefined },
  });
  await client.startQueue(queue);
  queue.add(segmentsOf([client.memory.allocate(8).guestAddress, 8]), 1, 7);
  queue.publish();
  await until(() => devices[0]?.held.length === 1, "the request to be taken");
  const through = new Deferred<void>();
  const [first] = devices;
  assert.ok(first);
  first.drained = through.promise;
  for (const session of server.sessions) session.close();
  await until(() => handedOver === 2, "the client to hand the region over again");
  // Far more turns than the rest of the bring-up takes.
  for (let turn = 0; turn < 500; turn += 1) await setImmediate();
  assert.deepEqual([devices[1]?.held.length, reports.length], [0, 0]);
  through.resolve();
  await until(() => devices[1]?.held.length === 1, "the request to be taken again");
  assert.deepEqual(done, []);
  devices[1]?.release();
  await until(() => done.length === 1, "its completion");
  assert.deepEqual(done, [7]);
  assert.deepEqual(reports[0]?.queues, [{ index: 0, outstanding: 1, inFlight: 1 }]);
  assert.deepEqual([client.reconnects, client.replayed], [1, 1]);
});
