import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { type TestContext, test } from "node:test";
import type { RingOptions } from "../../../../src/endpoints/backend/index.ts";
import {
  BlockDriver,
  BlockRequest,
  BlockStatus,
} from "../../../../src/endpoints/devices/block/index.ts";
import type {
  Client,
  ClientOptions,
  ClientQueue,
} from "../../../../src/endpoints/frontend/index.ts";
import { EventFd } from "../../../../src/core/os/index.ts";
import { RING_MODES } from "../../../../src/core/runtime/index.ts";
import { guardLeaks, takeResources } from "../../../support/leak-guard.ts";
import { makeMoody, type Mood } from "../../support/moody-worker.ts";
import { segmentsOf } from "../../support/rings.ts";
import { connectDisk, pattern, provesWell, serveDisk, SMALL } from "../../support/session.ts";
import { until } from "../../../support/until.ts";

guardLeaks();

interface MoodyOptions extends RingOptions {
  readonly mood?: () => Mood;
  readonly queues?: number;
}

function serveWorkers(t: TestContext, { mood, queues = 1, ...rings }: MoodyOptions = {}) {
  return serveDisk(
    t,
    (options) => ({
      ...options,
      rings: { workers: true, ...rings },
      device: mood ? () => makeMoody(options.device(), mood) : options.device,
    }),
    queues,
  );
}

/** A driver and the queue below it. */
async function startDriver(client: Client): Promise<{ driver: BlockDriver; queue: ClientQueue }> {
  let queue: ClientQueue | undefined;
  const create = client.createQueue.bind(client);
  client.createQueue = (made) => (queue = create(made));
  const driver = await BlockDriver.start(client, SMALL);
  assert.ok(queue);
  return { driver, queue };
}

async function connectDriver(
  t: TestContext,
  served: { path: string },
  options: ClientOptions = {},
): Promise<{ client: Client; driver: BlockDriver; queue: ClientQueue }> {
  const client = await connectDisk(t, served, options);
  return { client, ...(await startDriver(client)) };
}

/** Storage that moves nothing before the gate is signalled. */
function stuckStorage(t: TestContext) {
  const gate = EventFd.create();
  const arrived = EventFd.create();
  t.after(() => {
    gate.close();
    arrived.close();
  });
  const mood = (): Mood => ({ gate: gate.descriptor.fd, arrived: arrived.descriptor.fd });
  return { gate, arrived, mood };
}

/** The state of a promise, without waiting for it. */
function watched<T>(promise: Promise<T>): {
  readonly settled: boolean;
  readonly promise: Promise<T>;
} {
  const state = { settled: false, promise };
  const settle = (): void => {
    state.settled = true;
  };
  promise.then(settle, settle);
  return state;
}

test("the control socket answers while the storage of a worker does not", async (t) => {
  const { mood, gate, arrived } = stuckStorage(t);
  const served = await serveWorkers(t, { mood });
  const { client, driver, queue } = await connectDriver(t, served);
  const data = pattern(1);
  const writing = watched(driver.write(0, data));
  await until(() => arrived.drain(), "the request to arrive");
  for (let i = 0; i < 100; i += 1) await client.requests.getFeatures();
  await provesWellMeanwhile(t, served);
  assert.equal(writing.settled, false);
  const stopping = watched(client.stopQueue(queue));
  gate.signal();
  assert.equal(await stopping.promise, 1, "the request in flight was completed before the stop");
  await writing.promise;
  assert.ok(stopping.settled);
});

/** Other sessions are accepted and answered, too. */
async function provesWellMeanwhile(t: TestContext, served: { path: string }): Promise<void> {
  const client = await connectDisk(t, served);
  await client.requests.getFeatures();
}

for (const mode of RING_MODES) {
  for (const packed of [false, true]) {
    const name = `${packed ? "packed" : "split"}, ${mode}`;

    test(`kick, call and memory are exchanged while a worker serves: ${name}`, async (t) => {
      const served = await serveWorkers(t, { ringMode: mode });
      const { client, driver, queue } = await connectDriver(t, served, { packed });
      const { requests, memory } = client;
      const regions = memory.regions.map(({ description }) => description);
      const fds = memory.regions.map((region) => region.fd);
      for (let round = 0; round < 30; round += 1) {
        const data = pattern(round);
        const writing = driver.write(0, data);
        const flushing = driver.flush();
        if (round % 3 === 0) await requests.setVringCall(0, queue.call.descriptor);
        if (round % 3 === 1) await requests.setVringKick(0, queue.kick.descriptor);
        if (round % 3 === 2) await requests.setMemTable(regions, fds);
        await Promise.all([writing, flushing]);
        assert.deepEqual(await driver.read(0, 4096), data);
      }
      assert.deepEqual(served.problems, []);
    });

    test(`a worker is stopped and started between requests, the index exact: ${name}`, async (t) => {
      const served = await serveWorkers(t, { ringMode: mode });
      const { client, driver, queue } = await connectDriver(t, served, { packed });
      const { size } = queue.ring;
      for (let round = 1; round <= 20; round += 1) {
        const data = pattern(round);
        await driver.write(4096, data);
        await driver.flush();
        assert.deepEqual(await driver.read(4096, 4096), data);
        const base = await client.stopQueue(queue);
        if (packed) assert.equal((base & 0x7fff) % size, (3 * round) % size);
        else assert.equal(base, 3 * round);
        await client.startQueue(queue);
      }
    });
  }
}

test("a disabled ring is left alone by its worker, an enabled one is looked at without a kick", async (t) => {
  const served = await serveWorkers(t);
  const { client, driver } = await connectDriver(t, served);
  await driver.flush();
  await client.requests.setVringEnable(0, false);
  const writing = watched(driver.write(0, pattern(1)));
  for (let i = 0; i < 20; i += 1) await client.requests.getFeatures();
  assert.equal(writing.settled, false);
  await client.requests.setVringEnable(0, true);
  await writing.promise;
});

test("without kick and call descriptors a worker polls", async (t) => {
  const served = await serveWorkers(t);
  const client = await connectDisk(t, served);
  let queue: ClientQueue | undefined;
  const create = client.createQueue.bind(client);
  client.createQueue = (made) => (queue = create(made));
  const driver = await BlockDriver.start(client, { ...SMALL, ringMode: "poll" });
  await client.requests.setVringKick(0, undefined);
  await client.requests.setVringCall(0, undefined);
  assert.ok(queue);
  // From the first completion on, the worker has taken the change.
  await driver.flush();
  queue.call.drain();
  await driver.write(0, pattern(3));
  assert.deepEqual(await driver.read(0, 4096), pattern(3));
  assert.equal(queue.call.drain(), false);
});

test("a worker reaches memory that was added while its ring runs, and loses what was removed", async (t) => {
  const served = await serveWorkers(t);
  const client = await connectDisk(t, served, { memory: { size: 2 << 20, regions: 2 } });
  const { requests, memory } = client;
  const second = memory.regions[1];
  assert.ok(second);
  const written: number[] = [];
  const queue = client.createQueue({
    index: 0,
    size: 16,
    ringMode: "event",
    handler: { done: (_token, bytes) => written.push(bytes), failed: () => undefined },
  });
  const head = memory.allocate(16);
  const status = memory.allocate(1);
  // Larger than what is left of the first region.
  const data = memory.allocate(1 << 20);
  const read = (): void => {
    new DataView(head.bytes.buffer, head.bytes.byteOffset).setUint32(0, BlockRequest.In, true);
    const buffers = segmentsOf(
      [head.guestAddress, 16],
      [data.guestAddress, 4096],
      [status.guestAddress, 1],
    );
    assert.ok(queue.add(buffers, 1, 0));
    queue.publish();
  };
  await requests.remMemReg(second.description);
  await client.startQueue(queue);
  await requests.addMemReg(second.description, second.fd);
  read();
  await until(() => written.length === 1, "the read");
  assert.deepEqual(written, [4097]);
  await requests.remMemReg(second.description);
  read();
  await until(() => written.length === 2, "the answer");
  assert.equal(status.bytes[0], BlockStatus.IoError);
  assert.match(String(served.problems[0]), /ring 0: a request fails.*inside shared memory/);
  assert.equal(queue.takeError(), false);
  await requests.addMemReg(second.description, second.fd);
  read();
  await until(() => written.length === 3, "the read");
  assert.equal(status.bytes[0], BlockStatus.Ok);
});

test("a worker whose ring's own memory is removed breaks it, and the session goes on", async (t) => {
  const served = await serveWorkers(t);
  const { client, driver } = await connectDriver(t, served);
  await driver.flush();
  const [region] = client.memory.regions;
  assert.ok(region);
  await client.requests.remMemReg(region.description);
  assert.match(
    String(served.problems[0]),
    /ring 0 is broken.*outside shared memory.*is share=on missing/,
  );
  await client.requests.getFeatures();
});

const crashes: readonly [crash: NonNullable<Mood["crash"]>, reason: RegExp][] = [
  ["throws", /ring 0 is broken: its worker failed: out of order/],
  ["exits", /ring 0 is broken: its worker failed: it ended with exit code 3/],
  ["cannot be made", /ring 0 is broken: its worker failed: out of order/],
];
for (const [crash, reason] of crashes) {
  test(`a worker that ${crash} breaks its ring and nothing else; a new start heals it`, async (t) => {
    let mood: Mood = { crash };
    const served = await serveWorkers(t, { mood: () => mood });
    const { client, driver, queue } = await connectDriver(t, served);
    const data = pattern(7);
    const writing = driver.write(0, data);
    // Perhaps never taken by the worker.
    await client.requests.setVringCall(0, queue.call.descriptor);
    await client.requests.setVringKick(0, queue.kick.descriptor);
    await until(() => served.problems.length === 1, "the report");
    assert.match(String(served.problems[0]), reason);
    assert.ok(queue.takeError());
    mood = {};
    await provesWell(served);
    const base = await client.stopQueue(queue);
    assert.ok(base <= 1);
    // The request that the worker left behind is served by the next one.
    await client.requests.setVringNum(0, queue.ring.size);
    await client.startQueue(queue);
    await writing;
    assert.deepEqual(await driver.read(0, 4096), data);
    assert.equal(served.problems.length, 1);
  });
}

test("a ring that breaks the rules is broken in a worker as well, with the rule in its reason", async (t) => {
  const served = await serveWorkers(t);
  const { client, driver, queue } = await connectDriver(t, served);
  await driver.flush();
  const { raw } = queue.ring;
  assert.equal(raw.format, "split");
  Atomics.store(raw.available, 1, 1000);
  queue.kick.signal();
  await until(() => served.problems.length === 1, "the report");
  assert.match(String(served.problems[0]), /ring 0 is broken: expected at most .* \(VIRTIO 2\.7/);
  assert.ok(queue.takeError());
  await client.requests.getFeatures();
});

test("a session that ends while its worker's storage is stuck leaves nothing behind", async (t) => {
  const { mood, gate, arrived } = stuckStorage(t);
  const served = await serveWorkers(t, { mood });
  const { client, driver } = await connectDriver(t, served);
  const writing = driver.write(0, pattern(1));
  await until(() => arrived.drain(), "the request to arrive");
  for (const session of served.server.sessions) session.close();
  await assert.rejects(writing);
  await client.close();
  assert.ok(holdsGuestMemory(), "what the worker borrows stays until it has ended");
  gate.signal();
  await until(() => !holdsGuestMemory(), "the end of the worker");
});

/** Whether this process has a descriptor of a client's memory. */
function holdsGuestMemory(): boolean {
  const { descriptors } = takeResources();
  return [...descriptors.values()].some((target) => target.includes("memfd:vhost-user-client"));
}

test("four queues run in four workers", async (t) => {
  const threads = (): number => readdirSync("/proc/self/task").length;
  const before = threads();
  const served = await serveWorkers(t, { queues: 4 });
  const client = await connectDisk(t, served);
  const driver = await BlockDriver.start(client, { ...SMALL, queues: 4 });
  const written = Array.from({ length: 64 }, (_, i) => pattern(i));
  await Promise.all(written.map((data, i) => driver.write(i * 4096, data)));
  assert.ok(threads() >= before + 4);
  for (const [i, data] of written.entries()) {
    assert.deepEqual(await driver.read(i * 4096, 4096), data);
  }
});
