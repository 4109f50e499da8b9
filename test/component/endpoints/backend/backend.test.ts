import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  type BackendHooks,
  BackendServer,
  type BackendSession,
  type BackendRetry,
  connectBackend,
  type Device,
} from "../../../../src/endpoints/backend/index.ts";
import { ConnectError, PeerClosedError } from "../../../../src/core/base/index.ts";
import {
  BLOCK_DRIVER_FEATURES,
  BlockDevice,
  BlockDriver,
} from "../../../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../../../src/endpoints/storage/index.ts";
import { Client, type ClientQueue } from "../../../../src/endpoints/frontend/index.ts";
import { EventFd } from "../../../../src/core/os/index.ts";
import { SocketServer } from "../../../../src/core/transport/index.ts";
import { SegmentList } from "../../../../src/core/virtqueue/index.ts";
import { parseFault } from "../../../../src/lab/faults/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { HoldingDevice } from "../../support/holding-device.ts";
import {
  connectDisk,
  DISK_BYTES,
  pattern,
  provesWell,
  serveDisk,
  SMALL,
} from "../../support/session.ts";
import { until } from "../../../support/until.ts";

guardLeaks();

/** A client whose one queue is served by a device that holds what it gets. */
async function holding(t: TestContext, hooks: BackendHooks = {}) {
  const path = join(temporaryFolder(t), "holding.sock");
  const device = new HoldingDevice();
  let session: BackendSession | undefined;
  const server = await BackendServer.listen(path, {
    ...hooks,
    device: () => device,
    onSession: (made) => (session = made),
  });
  t.after(() => server.close());
  const client = await Client.connect(path, { memory: { size: 1 << 16 }, timeoutMs: 30_000 });
  t.after(() => client.close());
  const done: number[] = [];
  const failures: Error[] = [];
  const queue = client.createQueue({
    index: 0,
    size: 16,
    ringMode: "event",
    handler: { done: (token) => done.push(token), failed: (error) => failures.push(error) },
  });
  await client.startQueue(queue);
  assert.ok(session);
  return { client, queue, device, session, done, failures, server, path };
}

/** Hands the device one chain. */
function offer(client: Client, queue: ClientQueue, token: number): void {
  const segments = new SegmentList(1);
  segments.push(client.memory.allocate(16).guestAddress, 16);
  assert.ok(queue.add(segments, 1, token));
  queue.publish();
}

test("what completes while a ring is being stopped is not lost", async (t) => {
  const { client, queue, device, done } = await holding(t);
  for (const token of [1, 2, 3]) offer(client, queue, token);
  await until(() => device.held.length === 3, "the device to take the chains");
  assert.equal(await client.stopQueue(queue), 3);
  assert.deepEqual(done, [1, 2, 3]);
  assert.equal(queue.ring.base, 3);
});

test("what completed without a call is collected when the ring is stopped", async (t) => {
  const { fault } = parseFault("no-call");
  assert.equal(fault.where, "queue");
  const { client, queue, device, done } = await holding(t, { queue: (q) => fault.wrap(q, 0) });
  offer(client, queue, 1);
  await until(() => device.held.length === 1, "the device to take the chain");
  assert.equal(await client.stopQueue(queue), 1);
  assert.deepEqual(done, [1]);
});

test("what completes before the driver waits for it is found", async (t) => {
  const { client, queue, device, done } = await holding(t);
  await client.stopQueue(queue);
  device.immediate = true;
  offer(client, queue, 1);
  await client.startQueue(queue);
  await until(() => done.length === 1, "the completion");
});

test("a stopped ring continues at its position: chains not taken before the stop are served then", async (t) => {
  const { client, queue, device, done } = await holding(t);
  offer(client, queue, 1);
  await until(() => device.held.length === 1, "the chain");
  assert.equal(await client.stopQueue(queue), 1);
  offer(client, queue, 2);
  assert.equal(queue.ring.base, 1);
  await client.startQueue(queue);
  await until(() => device.held.length === 1, "the second chain");
  device.release();
  await until(() => done.length === 2, "its completion");
  assert.equal(await client.stopQueue(queue), 2);
  assert.deepEqual(done, [1, 2]);
});

test("what completes while the memory table is replaced is not lost", async (t) => {
  const { client, queue, device, done } = await holding(t);
  const { requests, memory } = client;
  offer(client, queue, 1);
  await until(() => device.held.length === 1, "the chain");
  await requests.setMemTable(
    memory.regions.map(({ description }) => description),
    memory.regions.map((region) => region.fd),
  );
  await until(() => done.length === 1, "the completion");
  offer(client, queue, 2);
  await until(() => device.held.length === 1, "the next chain");
  device.release();
  await until(() => done.length === 2, "the completion");
});

test("a new kick descriptor while chains are in flight and memory was added", async (t) => {
  const { client, queue, device, done } = await holding(t);
  const { requests, memory } = client;
  offer(client, queue, 1);
  await until(() => device.held.length === 1, "the chain");
  const [region] = memory.regions;
  assert.ok(region);
  const { description } = region;
  const guestAddress = description.guestAddress + 0x1000_0000n;
  const userAddress = description.userAddress + 0x1000_0000n;
  await requests.addMemReg({ ...description, guestAddress, userAddress }, region.fd);
  const kick = EventFd.create();
  await requests.setVringKick(0, kick.descriptor);
  offer(client, queue, 2);
  kick.signal();
  kick.close();
  await until(() => device.held.length === 2, "the second chain");
  device.release();
  await until(() => done.length === 2, "both completions");
  assert.deepEqual(done, [1, 2]);
});

test("the session ends while a request waits for the device", async (t) => {
  const { client, queue, device, session, failures } = await holding(t);
  offer(client, queue, 1);
  await until(() => device.held.length === 1, "the chain");
  let drain: (() => void) | undefined;
  device.drained = new Promise((resolve) => (drain = resolve));
  const stopping = client.requests.getVringBase(0);
  const replacing = client.requests.setMemTable([], []);
  await new Promise((resolve) => setImmediate(resolve));
  session.close();
  await assert.rejects(stopping, /GET_VRING_BASE: the peer closed/);
  await assert.rejects(replacing, /SET_MEM_TABLE: the peer closed/);
  assert.equal(failures.length, 1);
  // Memory stays mapped until the device has let go of it.
  assert.equal(session.memory.regions.length, 1);
  assert.equal(device.closes, 0);
  drain?.();
  await until(() => device.closes === 1, "the device to be closed");
  assert.equal(session.memory.regions.length, 0);
});

test("a device that cannot be quiesced does not keep the memory for ever", async (t) => {
  const { client, device, session } = await holding(t);
  device.drained = Promise.reject(new Error("no"));
  device.drained.catch(() => undefined);
  await client.close();
  await until(() => device.closes === 1, "the device to be closed");
  assert.equal(session.memory.regions.length, 0);
});

/** With VHOST_USER_PROTOCOL_F_STATUS. */
test("RESET_DEVICE and status 0 stop the rings and reset the device; the session goes on", async (t) => {
  const { client, queue, device, session, done } = await holding(t);
  const { requests } = client;
  for (const reset of [async () => requests.resetDevice(), async () => requests.setStatus(0)]) {
    const before = device.resets;
    await reset();
    assert.equal(device.resets, before + 1);
    assert.equal(session.vrings[0]?.started, false);
    assert.equal(session.vrings[0]?.enabled, false);
    queue.stop();
    await client.startQueue(queue);
    const count = done.length;
    offer(client, queue, 5);
    await until(() => device.held.length === 1, "the chain");
    device.release();
    await until(() => done.length === count + 1, "the completion");
  }
});

test("a disabled ring is left alone, an enabled one is looked at without a kick", async (t) => {
  const { client, queue, device } = await holding(t);
  await client.requests.setVringEnable(0, false);
  offer(client, queue, 1);
  await client.requests.getFeatures();
  assert.equal(device.held.length, 0);
  await client.requests.setVringEnable(0, true);
  await until(() => device.held.length === 1, "the chain");
  device.release();
});

test("an index that no ring can have is reported", async (t) => {
  const { client, queue, session } = await holding(t);
  const [vring] = session.vrings;
  assert.ok(vring);
  const stop = vring.stop.bind(vring);
  vring.stop = async () => (await stop()) + 5;
  await assert.rejects(
    client.stopQueue(queue),
    /expected the index of queue 0 to be 0 and up to 0 more, got 5/,
  );
});

test("kick and call descriptors are exchanged while I/O runs, memory as well", async (t) => {
  const served = await serveDisk(t);
  const client = await connectDisk(t, served);
  let queue: ClientQueue | undefined;
  const create = client.createQueue.bind(client);
  client.createQueue = (made) => (queue = create(made));
  const driver = await BlockDriver.start(client, SMALL);
  assert.ok(queue);
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
});

test("stopped and started again between requests, the index exact", async (t) => {
  const served = await serveDisk(t);
  const client = await connectDisk(t, served);
  let queue: ClientQueue | undefined;
  const create = client.createQueue.bind(client);
  client.createQueue = (made) => (queue = create(made));
  const driver = await BlockDriver.start(client, SMALL);
  assert.ok(queue);
  for (let round = 1; round <= 5; round += 1) {
    const data = pattern(round);
    await driver.write(4096, data);
    await driver.flush();
    assert.deepEqual(await driver.read(4096, 4096), data);
    assert.equal(await client.stopQueue(queue), 3 * round);
    assert.equal(await client.requests.getVringBase(0), 3 * round, "asked twice");
    await client.startQueue(queue);
  }
  await client.stopQueue(queue);
  await assert.rejects(client.stopQueue(queue), /queue 0 was not started/);
});

test("several sessions at once, and two queues in each", async (t) => {
  const served = await serveDisk(t, undefined, 2);
  const clients = await Promise.all(Array.from({ length: 4 }, () => connectDisk(t, served)));
  const drivers = await Promise.all(
    clients.map((client) => BlockDriver.start(client, { ...SMALL, queues: 2 })),
  );
  assert.equal(served.server.sessions.size, 4);
  await Promise.all(
    drivers.map(async (driver, i) => {
      for (let round = 0; round < 10; round += 1) {
        const data = pattern(i * 100 + round, 8192);
        await driver.write(i * 65536, data);
        assert.deepEqual(await driver.read(i * 65536, 8192), data);
      }
    }),
  );
  await clients[0]?.close();
  await until(() => served.server.sessions.size === 3, "one session to end");
  assert.equal((await drivers[1]?.read(0, 512))?.length, 512);
});

test("a configuration change is reported to the client, and nothing else is", async (t) => {
  const served = await serveDisk(t);
  let changes = 0;
  const problems: Error[] = [];
  const client = await connectDisk(t, served, {
    onConfigChange: () => (changes += 1),
    onProblem: (problem) => problems.push(problem),
  });
  const [session] = served.server.sessions;
  assert.ok(session);
  // A suspended device sends nothing: the client is notified once a ring runs.
  await session.configChanged();
  assert.equal(changes, 0);
  await BlockDriver.start(client, SMALL);
  await until(() => changes === 1, "the pending notification");
  await session.configChanged();
  assert.equal(changes, 2);
  // Two at once may be reported as one, as the configuration is read afterwards.
  await Promise.all([session.configChanged(), session.configChanged()]);
  assert.ok(changes === 3 || changes === 4);
  assert.deepEqual(problems, []);
});

test("a device that cannot be made costs one connection, not the server", async (t) => {
  const path = join(temporaryFolder(t), "unlucky.sock");
  const storage = BlockStorage.memory(DISK_BYTES);
  const problems: Error[] = [];
  let unlucky = true;
  const server = await BackendServer.listen(path, {
    device: (): Device => {
      if (unlucky) throw new Error("no device today");
      return new BlockDevice({ storage });
    },
    onProblem: (problem) => problems.push(problem),
  });
  t.after(async () => {
    server.close();
    await until(() => server.sessions.size === 0, "the sessions to end");
    storage.close();
  });
  await assert.rejects(provesWell({ path }), /the peer closed/);
  assert.deepEqual(
    problems.map(({ message }) => message),
    ["no device today"],
  );
  unlucky = false;
  await provesWell({ path });
});

test("a hook that throws costs one connection, and the device is let go", async (t) => {
  const path = join(temporaryFolder(t), "hooked.sock");
  const device = new HoldingDevice();
  const server = await BackendServer.listen(path, {
    device: () => device,
    handler: () => {
      throw new Error("no handler");
    },
  });
  t.after(() => server.close());
  await assert.rejects(provesWell({ path }), /the peer closed/);
  assert.equal(device.closes, 1);
});

test("the client listens, the back-end connects, and connects again", async (t) => {
  const path = join(temporaryFolder(t), "listen.sock");
  const storage = BlockStorage.memory(DISK_BYTES);
  t.after(() => storage.close());
  const controller = new AbortController();
  const { signal } = controller;
  const options = { device: () => new BlockDevice({ storage }), signal };
  await assert.rejects(connectBackend(path, options), ConnectError);
  const memory = { size: 1 << 20 };
  let sessions = 0;
  let running: Promise<void> | undefined;
  for (let round = 1; round <= 3; round += 1) {
    const accepting = Client.accept(path, {
      deviceFeatures: BLOCK_DRIVER_FEATURES,
      memory,
      timeoutMs: 30_000,
    });
    accepting.catch(() => undefined);
    running ??= connectBackend(path, {
      ...options,
      reconnect: true,
      retryMs: 1,
      onSession: () => (sessions += 1),
    });
    const client = await accepting;
    const driver = await BlockDriver.start(client, SMALL);
    if (round > 1) assert.deepEqual(await driver.read(0, 4096), pattern(round - 1));
    await driver.write(0, pattern(round));
    await client.close();
    assert.equal(sessions, round);
  }
  controller.abort();
  await running;
  await connectBackend(path, { ...options, signal: AbortSignal.abort() });
});

test("a back-end whose front-end leaves at once pauses longer and longer", async (t) => {
  const path = join(temporaryFolder(t), "closing.sock");
  const front = await SocketServer.listen(path, (socket) => socket.close());
  t.after(() => front.close());
  const controller = new AbortController();
  const retries: BackendRetry[] = [];
  await connectBackend(path, {
    device: () => new HoldingDevice(),
    reconnect: true,
    retryMs: 1,
    maxRetryMs: 10_000,
    signal: controller.signal,
    onRetry: (retry) => {
      retries.push(retry);
      // Then there is no listener, which counts as well.
      if (retries.length === 3) front.close();
      if (retries.length === 5) controller.abort();
    },
  });
  assert.deepEqual(
    retries.map(({ failures, pauseMs }) => [failures, pauseMs]),
    [1, 2, 4, 8, 16].map((pauseMs, i) => [i + 1, pauseMs]),
  );
});

test("a back-end that is aborted the moment it has connected", async (t) => {
  const path = join(temporaryFolder(t), "abort.sock");
  const controller = new AbortController();
  const accepting = Client.accept(path, { memory: { size: 4096 }, timeoutMs: 30_000 });
  const rejected = assert.rejects(accepting, PeerClosedError);
  await new Promise((resolve) => setImmediate(resolve));
  await connectBackend(path, {
    device: () => new HoldingDevice(),
    signal: controller.signal,
    onSession: () => controller.abort(),
  });
  await rejected;
});

test("without reconnect the back-end is done when the front-end leaves; abort ends a session", async (t) => {
  const path = join(temporaryFolder(t), "once.sock");
  const storage = BlockStorage.memory(DISK_BYTES);
  t.after(() => storage.close());
  const options = { device: () => new BlockDevice({ storage }) };
  for (const abort of [false, true]) {
    const controller = new AbortController();
    const accepting = Client.accept(path, { memory: { size: 4096 }, timeoutMs: 30_000 });
    await new Promise((resolve) => setImmediate(resolve));
    const running = connectBackend(path, { ...options, signal: controller.signal });
    const client = await accepting;
    if (abort) controller.abort();
    else await client.close();
    await running;
    await client.close();
  }
});
