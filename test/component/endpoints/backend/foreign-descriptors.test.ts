import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { serveInherited } from "../../../../src/endpoints/backend/index.ts";
import { BlockDevice, BlockDriver } from "../../../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../../../src/endpoints/storage/index.ts";
import {
  type Client,
  type FrontendRequests,
  loadDeviceState,
  saveDeviceState,
} from "../../../../src/endpoints/frontend/index.ts";
import {
  createPipe,
  EventFd,
  OwnedFd,
  readPipe,
  SharedMemory,
  UnixListener,
  UnixSocket,
  writePipe,
} from "../../../../src/core/os/index.ts";
import { inflightQueueBytes } from "../../../../src/core/memory/index.ts";
import {
  FrontendRequest,
  ProtocolFeature,
  VirtioFeature,
} from "../../../../src/core/protocol/index.ts";
import { RING_MODES } from "../../../../src/core/runtime/index.ts";

import { guardLeaks } from "../../../support/leak-guard.ts";
import { isNonBlocking, makeBlocking, modeOf } from "../../../support/open-file.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { RAW_PROTOCOL_FEATURES, RawFrontend } from "../../../../src/lab/wire/index.ts";
import { RawRingParts } from "../../support/raw-ring-parts.ts";
import { connectDisk, pattern, serveDisk, SMALL } from "../../support/session.ts";
import { until } from "../../../support/until.ts";

guardLeaks();

const LARGE = 1 << 20;
const FEATURES =
  RAW_PROTOCOL_FEATURES |
  ProtocolFeature.LogShmfd |
  ProtocolFeature.InflightShmfd |
  ProtocolFeature.DeviceState;

/** Has every queue of a client use event descriptors in blocking mode; returns them as they come. */
function withBlockingEvents(client: Client): number[] {
  const fds: number[] = [];
  const make = client.createQueue.bind(client);
  client.createQueue = (options) => {
    const queue = make(options);
    const made = [queue.kick, queue.call, queue.error].map(({ descriptor }) => descriptor.fd);
    makeBlocking(...made);
    fds.push(...made);
    return queue;
  };
  return fds;
}

for (const mode of RING_MODES) {
  for (const workers of [false, true]) {
    const where = workers ? "in a worker" : "on the event loop";
    test(`a back-end in mode ${mode} ${where} leaves blocking event descriptors alone`, async (t) => {
      const served = await serveDisk(t, (options) => ({
        ...options,
        rings: { ringMode: mode, workers },
      }));
      for (const packed of [false, true]) {
        const client = await connectDisk(t, served, { packed });
        const fds = withBlockingEvents(client);
        const driver = await BlockDriver.start(client, { ...SMALL, ringMode: "event" });
        await driver.write(4096, pattern(7));
        assert.deepEqual(await driver.read(4096, 4096), pattern(7));
        assert.equal(fds.length, 3);
        assert.deepEqual(fds.filter(isNonBlocking), []);
        await client.close();
      }
      assert.deepEqual(served.problems, []);
    });
  }
}

/** Closes it after the test. */
function kept<T extends { close(): void }>(t: TestContext, one: T): T {
  t.after(() => one.close());
  return one;
}

test("a back-end leaves the mode of every descriptor of a session alone", async (t) => {
  const served = await serveDisk(t);
  const raw = kept(t, await RawFrontend.connect(served.path));
  const parts = kept(t, new RawRingParts());
  const [error, logged] = [kept(t, EventFd.create()), kept(t, EventFd.create())];
  const [near, far] = UnixSocket.pair();
  kept(t, near);
  kept(t, far);
  const [log, inflight] = [1, 2].map(() => kept(t, SharedMemory.create("test", LARGE)));
  const [saved, loaded] = [createPipe(), createPipe()];
  for (const end of [saved.read, saved.write, loaded.read, loaded.write]) kept(t, end);
  assert.ok(log && inflight);
  const sent = {
    kick: parts.kick.descriptor.fd,
    call: parts.call.descriptor.fd,
    error: error.descriptor.fd,
    log: log.fd.fd,
    logged: logged.descriptor.fd,
    inflight: inflight.fd.fd,
    channel: far.fd,
    channelPeer: near.fd,
    saved: saved.write.fd,
    loaded: loaded.read.fd,
  };
  makeBlocking(...Object.values(sent));
  const before = Object.values(sent).map(modeOf);

  const { SetProtocolFeatures, SetFeatures, SetLogBase, SetLogFd, SetInflightFd } = FrontendRequest;
  const { SetVringErr, SetVringEnable, GetVringBase, SetBackendReqFd } = FrontendRequest;
  const { SetDeviceStateFd, CheckDeviceState } = FrontendRequest;
  const logAll = VirtioFeature.Version1 | VirtioFeature.ProtocolFeatures | VirtioFeature.LogAll;
  const index = 0;
  const region = { mmapSize: BigInt(inflightQueueBytes(false, 16)), mmapOffset: 0n };
  await raw.send(SetProtocolFeatures, FEATURES);
  assert.equal(await raw.ask(SetFeatures, logAll), 0n);
  await raw.ask(SetLogBase, { mmapSize: BigInt(LARGE), mmapOffset: 0n }, [log.fd]);
  assert.equal(await raw.ask(SetLogFd, undefined, [logged.descriptor]), 0n);
  const channel = kept(t, OwnedFd.duplicateOf(far.fd));
  assert.equal(await raw.ask(SetBackendReqFd, undefined, [channel]), 0n);
  const tracked = { ...region, numQueues: 1, queueSize: 16 };
  assert.equal(await raw.ask(SetInflightFd, tracked, [inflight.fd]), 0n);
  for (const { request, payload, fds = [] } of parts.steps.slice(6, 12)) {
    assert.equal(await raw.ask(request, payload, fds), 0n);
  }
  assert.equal(await raw.ask(SetVringErr, { index, noFd: false }, [error.descriptor]), 0n);
  assert.equal(await raw.ask(SetVringEnable, { index, num: 1 }), 0n);
  parts.kick.signal();
  await raw.ask(GetVringBase, { index, num: 0 });
  for (const [direction, fd] of [
    [0, saved.write],
    [1, loaded.read],
  ] as const) {
    const params = new Uint8Array(Uint32Array.of(direction, 0).buffer);
    assert.equal(await raw.ask(SetDeviceStateFd, params, [fd]), 0x100n);
    if (direction === 0) saved.write.close();
    else loaded.write.close();
    const state = direction === 0 ? readPipe(saved.read.duplicate()) : [];
    let bytes = 0;
    for await (const chunk of state) bytes += chunk.length;
    assert.equal(bytes > 0, direction === 0);
    await raw.ask(CheckDeviceState, undefined);
  }
  const names = Object.keys(sent);
  const changed = Object.values(sent).flatMap((fd, i) =>
    names[i] === "saved" || modeOf(fd) === before[i] ? [] : [names[i]],
  );
  assert.deepEqual(changed, []);
  raw.close();
  await until(() => served.server.sessions.size === 0, "the session to end");
});

test("blocking pipes and sockets carry a state, and keep their mode", async () => {
  const sockets = (): { read: OwnedFd; write: OwnedFd } => {
    const [read, write] = UnixSocket.pair();
    return { read: read.detach(), write: write.detach() };
  };
  for (const { read, write } of [createPipe(), sockets()]) {
    makeBlocking(read.fd, write.fd);
    using reader = read.duplicate();
    using writer = write.duplicate();
    const chunks = [new Uint8Array(LARGE).fill(1), new Uint8Array(0), new Uint8Array(3).fill(2)];
    const writing = writePipe(write, chunks);
    let sum = 0;
    let length = 0;
    for await (const chunk of readPipe(read)) {
      for (const byte of chunk) sum += byte;
      length += chunk.length;
      // A socket has its end here, a pipe would wait for the copy.
      if (length === LARGE + 3) break;
    }
    await writing;
    assert.equal(sum, LARGE + 6);
    assert.deepEqual([reader.fd, writer.fd].filter(isNonBlocking), []);
  }
});

test("a client leaves the mode of a back-end's state descriptor alone", async (t) => {
  for (const direction of ["save", "load"] as const) {
    const { read, write } = createPipe();
    const [theirs, ours] = direction === "save" ? [read, write] : [write, read];
    kept(t, ours);
    using copy = theirs.duplicate();
    makeBlocking(theirs.fd);
    const requests = {
      setDeviceStateFd: async () => Promise.resolve({ value: 0n, fd: theirs }),
      checkDeviceState: async () => Promise.resolve(0n),
    } as unknown as FrontendRequests;
    const state = new Uint8Array(100).fill(5);
    if (direction === "load") {
      await loadDeviceState(requests, state);
    } else {
      await writePipe(ours.duplicate(), [state]);
      ours.close();
      assert.deepEqual(await saveDeviceState(requests), Buffer.from(state));
    }
    assert.equal(isNonBlocking(copy.fd), false);
  }
});

test("an inherited connection in blocking mode is served, and keeps its mode", async (t) => {
  const [near, far] = UnixSocket.pair();
  const copies = [OwnedFd.duplicateOf(near.fd), OwnedFd.duplicateOf(far.fd)];
  for (const copy of copies) kept(t, copy);
  makeBlocking(near.fd, far.fd);
  const storage = kept(t, BlockStorage.memory(LARGE));
  const ending = new AbortController();
  t.after(() => ending.abort());
  const { signal } = ending;
  const serving = serveInherited(far.detach(), {
    device: () => new BlockDevice({ storage }),
    signal,
  });
  const raw = kept(t, new RawFrontend(near));
  raw.read();
  for (let i = 0; i < 3; i += 1) assert.ok(await raw.alive());
  assert.deepEqual(
    copies.filter(({ fd }) => isNonBlocking(fd)),
    [],
  );
  ending.abort();
  await serving;
  raw.close();
});

test("two servers share a listening socket in blocking mode; neither waits for the other's connection", async (t) => {
  const path = join(temporaryFolder(t), "shared.sock");
  const listener = kept(t, UnixListener.listen(path));
  makeBlocking(listener.fd);
  const storage = kept(t, BlockStorage.memory(LARGE));
  const ending = new AbortController();
  t.after(() => ending.abort());
  const { signal } = ending;
  const servers = [1, 2].map(async () =>
    serveInherited(OwnedFd.duplicateOf(listener.fd), {
      device: () => new BlockDevice({ storage }),
      signal,
    }),
  );
  for (let i = 0; i < 4; i += 1) {
    const raw = kept(t, await RawFrontend.connect(path));
    assert.ok(await raw.alive());
    raw.close();
  }
  assert.equal(listener.accept(), undefined, "no connection waits, and the call does not");
  assert.equal(isNonBlocking(listener.fd), false);
  ending.abort();
  await Promise.all(servers);
});
