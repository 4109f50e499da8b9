import assert from "node:assert/strict";
import { readSync, writeSync } from "node:fs";
import { test, type TestContext } from "node:test";
import type {
  BackendSession,
  DeviceCapabilities,
  DeviceSession,
} from "../../../../src/endpoints/backend/index.ts";
import {
  NegotiationError,
  RemoteError,
  StateError,
  UsageError,
} from "../../../../src/core/base/index.ts";
import { BlockDevice, BlockDriver } from "../../../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../../../src/endpoints/storage/index.ts";
import { BlockRequest, BlockStatus } from "../../../../src/endpoints/devices/block/index.ts";
import {
  type Client,
  type ClientOptions,
  type ClientQueue,
  HostNotifiers,
  type Notifications,
  type ObjectExporter,
  SharedMemoryRegions,
  SharedObjects,
} from "../../../../src/endpoints/frontend/index.ts";
import { SharedMemory } from "../../../../src/core/os/index.ts";
import {
  BackendRequest,
  FrontendRequest,
  type MMap,
  MMapFlag,
  parseUuid,
  ProtocolFeature,
} from "../../../../src/core/protocol/index.ts";
import type { FrameObserver } from "../../../../src/core/transport/index.ts";
import { type SplitRingWords, SegmentList } from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import {
  connectDisk,
  DISK_BYTES,
  pattern,
  type Served,
  serveDisk,
  SMALL,
} from "../../support/session.ts";
import { withCapabilities } from "../../../support/capability.ts";
import { until } from "../../../support/until.ts";

guardLeaks();

const UUID = parseUuid("00112233-4455-6677-8899-aabbccddeeff");
const { InbandNotifications } = ProtocolFeature;

/** A disk that also has other capabilities. */
async function serveExtras(
  t: TestContext,
  extras: DeviceCapabilities,
  optional = 0n,
): Promise<Served> {
  const storage = BlockStorage.memory(DISK_BYTES);
  t.after(() => storage.close());
  return serveDisk(t, (options) => ({
    ...options,
    optional,
    device: () => withCapabilities(new BlockDevice({ storage }), extras),
  }));
}

function sessionOf({ server }: Served): BackendSession {
  const [session] = server.sessions;
  assert.ok(session);
  return session;
}

/** Counts requests by number as they are sent. */
function counter(counts: Map<number, number>): FrameObserver {
  return (way, { header }) => {
    if (way === "sent") counts.set(header.request, (counts.get(header.request) ?? 0) + 1);
  };
}

/** A started queue, and one request on it: GET_ID, whose completion is awaited. */
async function plainQueue(
  client: Client,
): Promise<{ queue: ClientQueue; ask: () => Promise<void> }> {
  let done: () => void = () => undefined;
  const buffer = client.memory.allocate(64);
  const queue = client.createQueue({
    index: 0,
    size: 16,
    ringMode: "event",
    handler: { done: () => done(), failed: () => undefined },
  });
  await client.startQueue(queue);
  const ask = async (): Promise<void> => {
    buffer.bytes.fill(0);
    buffer.bytes[0] = BlockRequest.GetId;
    buffer.bytes[63] = 0xff;
    const completed = new Promise<void>((resolve) => (done = resolve));
    const segments = new SegmentList(3);
    segments.push(buffer.guestAddress, 16);
    segments.push(buffer.guestAddress + 16, 20);
    segments.push(buffer.guestAddress + 63, 1);
    assert.ok(queue.add(segments, 1, 0));
    queue.publish();
    await completed;
    assert.equal(buffer.bytes[63], BlockStatus.Ok);
  };
  return { queue, ask };
}

const ways = ["eventfd", "message", "none"] as const;

for (const kick of ways) {
  for (const call of ways) {
    for (const packed of [false, true]) {
      for (const workers of [false, true]) {
        test(`kick by ${kick}, call by ${call}, ${packed ? "packed" : "split"}${workers ? ", in a worker" : ""}`, async (t) => {
          const served = await serveDisk(t, (options) => ({
            ...options,
            optional: InbandNotifications,
            rings: { workers },
          }));
          const counts = new Map<number, number>();
          const notifications: Notifications = { kick, call };
          const client = await connectDisk(t, served, {
            notifications,
            packed,
            observe: counter(counts),
          });
          const ringMode = call === "none" ? "poll" : "event";
          const driver = await BlockDriver.start(client, { ...SMALL, ringMode });
          for (let i = 0; i < 20; i += 1) {
            await driver.write(i * 4096, pattern(i));
            assert.deepEqual(await driver.read(i * 4096, 4096), pattern(i));
          }
          await client.close();
          const { SetVringKick, SetVringCall, VringKick } = FrontendRequest;
          assert.equal(counts.get(SetVringKick) ?? 0, kick === "message" ? 0 : 1);
          assert.equal(counts.get(SetVringCall) ?? 0, call === "message" ? 0 : 1);
          assert.equal((counts.get(VringKick) ?? 0) > 0, kick === "message");
          // The client's answers on the back-end channel are all that it sends there.
          assert.equal((counts.get(BackendRequest.VringCall) ?? 0) > 1, call === "message");
          assert.deepEqual(served.problems, []);
        });
      }
    }
  }
}

test("a ring is stopped and started again with notifications by message", async (t) => {
  const served = await serveDisk(t, (o) => ({ ...o, optional: InbandNotifications }));
  const client = await connectDisk(t, served, {
    notifications: { kick: "message", call: "message" },
  });
  const { queue, ask } = await plainQueue(client);
  for (let i = 0; i < 5; i += 1) {
    await ask();
    await client.stopQueue(queue);
    await client.startQueue(queue);
  }
});

test("a broken ring is reported by message", async (t) => {
  const served = await serveDisk(t, (o) => ({ ...o, optional: InbandNotifications }));
  const client = await connectDisk(t, served, { notifications: { call: "message" } });
  const { queue, ask } = await plainQueue(client);
  await ask();
  const { raw } = queue.ring;
  assert.equal(raw.format, "split");
  (raw as SplitRingWords).available[1] = 40_000;
  queue.notify();
  let reported = false;
  await until(() => (reported ||= queue.takeError()), "VRING_ERR");
  assert.match(served.problems[0]?.message ?? "", /ring 0 is broken/);
});

test("notifications by message that are not available, and calls that would reach no poller", async (t) => {
  const served = await serveDisk(t);
  await assert.rejects(
    connectDisk(t, served, { notifications: { kick: "message" } }),
    (error) => error instanceof NegotiationError && /INBAND_NOTIFICATIONS/.test(error.message),
  );
  const client = await connectDisk(t, served, { notifications: { call: "none" } });
  await assert.rejects(BlockDriver.start(client, SMALL), UsageError);
});

test("in-band notifications without what they need are refused", async (t) => {
  const served = await serveDisk(t, (o) => ({ ...o, optional: InbandNotifications }));
  const client = await connectDisk(t, served);
  const { ReplyAck } = ProtocolFeature;
  const asked = client.requests.setProtocolFeatures(ReplyAck | InbandNotifications);
  await assert.rejects(asked, RemoteError);
  assert.match(served.problems[0]?.message ?? "", /INBAND_NOTIFICATIONS needs .*BACKEND_REQ/);
});

test("a back-end's request without a channel, while suspended, without its feature, without a handler", async (t) => {
  const served = await serveExtras(t, { sharedMemory: [4096n] });
  const bare = await connectDisk(t, served, { without: { protocol: ProtocolFeature.BackendReq } });
  await assert.rejects(
    sessionOf(served).requests.sharedObjectAdd(UUID),
    (error) => error instanceof StateError && /no channel/.test(error.message),
  );
  await bare.close();
  await until(() => served.server.sessions.size === 0, "its end");
  const problems: Error[] = [];
  const client = await connectDisk(t, served, {
    protocolFeatures: ProtocolFeature.Shmem,
    onProblem: (problem) => problems.push(problem),
  });
  const { requests } = sessionOf(served);
  await assert.rejects(
    requests.configChange(),
    (error) => error instanceof StateError && /all rings are stopped/.test(error.message),
  );
  await BlockDriver.start(client, SMALL);
  await assert.rejects(requests.sharedObjectAdd(UUID), NegotiationError);
  const mapping = { shmid: 0, fdOffset: 0n, shmOffset: 0n, length: 4096n, flags: 0n };
  await assert.rejects(requests.shmemUnmap(mapping), RemoteError);
  assert.match(problems[0]?.message ?? "", /SHMEM_UNMAP: this client has no handler for it/);
  await requests.configChange();
});

test("both directions are served while a call waits", async (t) => {
  let answerConfig: (() => void) | undefined;
  const served = await serveDisk(t, (options) => ({
    ...options,
    handler: (request, handler) => async (payload, incoming) => {
      if (request === FrontendRequest.GetConfig) {
        await new Promise<void>((resolve) => (answerConfig = resolve));
      }
      return handler(payload, incoming);
    },
  }));
  let changes = 0;
  const client = await connectDisk(t, served, { onConfigChange: () => (changes += 1) });
  const waiting = client.requests.getConfig(0, 8);
  await until(() => answerConfig !== undefined, "the request");
  const { requests } = sessionOf(served);
  for (let i = 0; i < 3; i += 1) await requests.configChange({ unchecked: true });
  assert.equal(changes, 3, "the front-end's call still waits");
  answerConfig?.();
  assert.equal((await waiting).length, 8);
});

test("objects are shared between two back-ends", async (t) => {
  using object = SharedMemory.create("object", 4096);
  const exporting = await serveExtras(t, {
    sharedObjects: { find: (uuid) => (Buffer.from(uuid).equals(UUID) ? object.fd : undefined) },
  });
  const importing = await serveExtras(t, { sharedObjects: { find: () => undefined } });
  const objects = new SharedObjects();
  const clients: ObjectExporter[] = [];
  for (const [i, served] of [exporting, importing].entries()) {
    const backendRequests = objects.handlersFor(() => clients[i] as ObjectExporter);
    const client = await connectDisk(t, served, { backendRequests });
    clients.push(client.requests);
    await BlockDriver.start(client, SMALL);
  }
  assert.ok(sessionOf(exporting).negotiation.has(ProtocolFeature.SharedObject));
  // GET_SHARED_OBJECT, as the front-end asks the exporter.
  (await clients[0]?.getSharedObject({ uuid: UUID }))?.close();
  const exporter = sessionOf(exporting).requests;
  const importer = sessionOf(importing).requests;
  assert.equal(await importer.sharedObjectLookup(UUID), undefined);
  await exporter.sharedObjectAdd(UUID);
  await assert.rejects(exporter.sharedObjectAdd(UUID), RemoteError, "it is there already");
  await assert.rejects(importer.sharedObjectRemove(UUID), RemoteError, "it is another's");
  const found = await importer.sharedObjectLookup(UUID);
  assert.ok(found);
  const bytes = new Uint8Array(1);
  assert.equal(readSync(found.fd, bytes, 0, 1, 0), 1);
  found.close();
  await exporter.sharedObjectRemove(UUID);
  assert.equal(await importer.sharedObjectLookup(UUID), undefined);
  await exporter.sharedObjectAdd(UUID);
  assert.equal(objects.size, 1);
  objects.forget(clients[0] as ObjectExporter);
  assert.equal(objects.size, 0);
});

test("files are mapped into a device's shared memory regions, within their rules", async (t) => {
  const served = await serveExtras(t, { sharedMemory: [0n, 16384n] });
  const regions = new SharedMemoryRegions();
  t.after(() => regions.reset());
  const problems: string[] = [];
  const client = await connectDisk(t, served, {
    backendRequests: regions.handlers,
    onProblem: ({ message }) => problems.push(message),
  });
  await regions.load(client.requests);
  assert.equal((await client.requests.getShmemConfig()).numRegions, 1);
  assert.deepEqual([regions.size(0), regions.size(1), regions.size(255)], [0n, 16384n, 0n]);
  await BlockDriver.start(client, SMALL);
  const { requests } = sessionOf(served);
  using file = SharedMemory.create("window", 8192);
  const map = (change: Partial<MMap> = {}): MMap => ({
    shmid: 1,
    fdOffset: 0n,
    shmOffset: 4096n,
    length: 8192n,
    flags: MMapFlag.Writable,
    ...change,
  });
  await requests.shmemMap(map(), file.fd);
  regions.write(1, 8192n, pattern(1, 100));
  const bytes = new Uint8Array(100);
  regions.read(1, 8192n, bytes);
  assert.deepEqual(bytes, pattern(1, 100));
  const stored = new Uint8Array(100);
  readSync(file.fd.fd, stored, 0, 100, 4096);
  assert.deepEqual(stored, bytes, "it is the back-end's file");
  assert.throws(() => regions.read(1, 0n, bytes), /inside one mapping/);
  assert.throws(() => regions.read(1, 12_200n, bytes), /inside one mapping/);
  for (const wrong of [
    map({ shmOffset: 0n, length: 4097n }),
    map({ shmid: 0, length: 1n }),
    map({ shmOffset: 12_288n, length: 4097n }),
    map({ shmOffset: 12_288n, length: 0n }),
    map({ shmOffset: 12_288n, length: 4096n, fdOffset: 8192n }),
    map({ shmOffset: 12_288n, length: 4096n, flags: 2n }),
    map({ shmOffset: 2n ** 64n - 1n }),
    map({ shmOffset: 12_288n, length: 4096n, fdOffset: 2n ** 64n - 1n }),
  ]) {
    await assert.rejects(requests.shmemMap(wrong, file.fd), RemoteError);
  }
  assert.equal(problems.length, 8);
  for (const wrong of [map({ length: 4096n }), map({ shmOffset: 0n }), map({ shmid: 2 })]) {
    await assert.rejects(requests.shmemUnmap(wrong), RemoteError);
  }
  await requests.shmemMap(map({ shmOffset: 0n, length: 4096n, flags: 0n }), file.fd);
  assert.throws(() => regions.write(1, 0n, bytes), /read-only/);
  assert.equal(regions.mappings.length, 2);
  await requests.shmemUnmap(map());
  assert.equal(regions.mappings.length, 1);
  for (let i = 0; i < 50; i += 1) {
    await requests.shmemMap(map(), file.fd);
    await requests.shmemUnmap(map());
  }
});

test("a doorbell is given, used for kicks, and taken back", async (t) => {
  const served = await serveExtras(t, { hostNotifiers: true });
  const hostNotifiers = new HostNotifiers();
  const client = await connectDisk(t, served, { hostNotifiers });
  const { queue, ask } = await plainQueue(client);
  await ask();
  const { requests } = sessionOf(served);
  using page = SharedMemory.create("doorbell", 4096);
  writeSync(page.fd.fd, Uint8Array.of(0xff, 0xff), 0, 2, 8);
  const seen = (): number => {
    const bytes = new Uint8Array(2);
    readSync(page.fd.fd, bytes, 0, 2, 8);
    return new DataView(bytes.buffer).getUint16(0, true);
  };
  const { HostNotifier, BackendSendFd } = ProtocolFeature;
  assert.ok(sessionOf(served).negotiation.has(HostNotifier | BackendSendFd));
  // VRING_HOST_NOTIFIER_MSG
  await requests.hostNotifier(0, { fd: page.fd, offset: 8n, size: 2n });
  assert.ok(hostNotifiers.has(0));
  queue.notify();
  assert.equal(seen(), 0, "the index of the ring");
  await assert.rejects(
    requests.hostNotifier(0, { fd: page.fd, offset: 4095n, size: 2n }),
    RemoteError,
  );
  await requests.hostNotifier(0);
  assert.equal(hostNotifiers.has(0), false);
  await ask();
});

test("requests of device types reach the device, and are refused where it has nothing for them", async (t) => {
  const seen: unknown[] = [];
  let given: DeviceSession | undefined;
  const features = ProtocolFeature.Rarp | ProtocolFeature.Mtu | ProtocolFeature.CrossEndian;
  const options: ClientOptions = { protocolFeatures: features };
  const extras: DeviceCapabilities = {
    lifecycle: { attach: (session) => (given = session) },
    network: {
      announce: (mac) => seen.push(Buffer.from(mac).toString("hex")),
      setMtu: (mtu) => seen.push(mtu),
    },
    gpu: {
      setSocket: (socket) => {
        seen.push("socket");
        socket.close();
      },
    },
  };
  const served = await serveExtras(t, extras, ProtocolFeature.CrossEndian);
  const client = await connectDisk(t, served, options);
  assert.ok(given);
  const { requests } = client;
  await requests.sendRarp(0x010203040506n);
  // The MTU's request needs VIRTIO_NET_F_MTU as well, which a disk does not have.
  await assert.rejects(requests.netSetMtu(1500), NegotiationError);
  using memory = SharedMemory.create("socket", 4096);
  await requests.gpuSetSocket(memory.fd);
  assert.deepEqual(seen, ["060504030201", "socket"]);
  await requests.setVringEndian(0, false);
  await assert.rejects(requests.setVringEndian(0, true), RemoteError);
  assert.match(served.problems[0]?.message ?? "", /little-endian/);
  const plain = await serveDisk(t);
  const other = await connectDisk(t, plain, options);
  assert.equal(other.protocolFeatures & features, 0n);
  const forced = { unchecked: true };
  await assert.rejects(other.requests.sendRarp(1n, forced), RemoteError);
  await assert.rejects(other.requests.gpuSetSocket(memory.fd), RemoteError);
  assert.match(plain.problems[1]?.message ?? "", /GPU_SET_SOCKET: this device does not serve it/);
});
