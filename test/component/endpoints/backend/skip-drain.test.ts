import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { BackendServer } from "../../../../src/endpoints/backend/index.ts";
import { Client } from "../../../../src/endpoints/frontend/index.ts";
import {
  FrontendRequest,
  ProtocolFeature,
  VirtioFeature,
} from "../../../../src/core/protocol/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { HoldingDevice } from "../../support/holding-device.ts";
import { RAW_PROTOCOL_FEATURES, RawFrontend } from "../../../../src/lab/wire/index.ts";
import { withCapabilities } from "../../../support/capability.ts";
import { segmentsOf } from "../../support/rings.ts";
import { connectDisk, serveDisk, survives } from "../../support/session.ts";
import { turns, until } from "../../../support/until.ts";

guardLeaks();

const { InflightShmfd, GetVringBaseInflight, GetVringBaseSkipDrain } = ProtocolFeature;

/** Completes what it holds on request. */
class YieldingDevice extends HoldingDevice {
  suspensions = 0;

  constructor() {
    super();
    withCapabilities(this, {
      suspension: {
        suspend: () => {
          this.suspensions += 1;
          this.held.length = 0;
        },
      },
    });
  }
}

async function serve(t: TestContext, device: HoldingDevice, name: string): Promise<string> {
  const path = join(temporaryFolder(t), `${name}.sock`);
  const server = await BackendServer.listen(path, { device: () => device });
  t.after(async () => {
    server.close();
    await until(() => server.sessions.size === 0, "the session to end");
  });
  return path;
}

for (const packed of [false, true]) {
  test(`requests in flight at the source are executed at the destination, in order (${packed ? "packed" : "split"})`, async (t) => {
    const [source, destination] = [new YieldingDevice(), new YieldingDevice()];
    const from = await serve(t, source, "source");
    const to = await serve(t, destination, "destination");
    const client = await Client.connect(from, { packed, reconnect: {}, memory: { size: 1 << 20 } });
    t.after(() => client.close());
    assert.ok(client.requests.negotiation.has(GetVringBaseSkipDrain));
    const done: number[] = [];
    const queue = client.createQueue({
      index: 0,
      size: 8,
      ringMode: "event",
      handler: { done: (token) => done.push(token), failed: () => undefined },
    });
    await client.startQueue(queue);
    const buffer = client.memory.allocate(4096, 4096);
    const add = (token: number): void => {
      queue.add(segmentsOf([buffer.guestAddress + token * 16, 16]), 0, token);
      queue.publish();
    };
    for (const token of [0, 1, 2]) add(token);
    await until(() => source.held.length === 3, "the source to take three chains");
    const late = source.held[0];
    // One of them completes: it is not to be replayed.
    const [second] = source.held.splice(1, 1);
    assert.ok(second && late);
    second.queue.complete(second.id, 0);
    second.running.publish();
    await until(() => done.length === 1, "the completion");
    const { missedPages } = await client.migrate(to, { compare: true });
    assert.deepEqual(missedPages, []);
    assert.equal(source.suspensions, 1);
    await until(() => destination.held.length === 2, "the destination to take what was in flight");
    assert.deepEqual(done, [1]);
    add(3);
    await until(() => destination.held.length === 3, "the destination to go on");
    destination.release();
    await until(() => done.length === 4, "the completions");
    assert.deepEqual(done, [1, 0, 2, 3]);
    assert.equal(queue.failure, undefined);
  });
}

test("without an in-flight region the requests in flight complete first", async (t) => {
  const device = new YieldingDevice();
  const path = await serve(t, device, "source");
  const protocolFeatures = InflightShmfd | GetVringBaseInflight | GetVringBaseSkipDrain;
  const client = await Client.connect(path, { protocolFeatures, memory: { size: 1 << 20 } });
  t.after(() => client.close());
  let done = 0;
  const queue = client.createQueue({
    index: 0,
    size: 8,
    ringMode: "event",
    handler: { done: () => (done += 1), failed: () => undefined },
  });
  await client.startQueue(queue);
  queue.add(segmentsOf([client.memory.allocate(16).guestAddress, 16]), 0, 0);
  queue.publish();
  await until(() => device.held.length === 1, "the device to take it");
  assert.equal(await client.requests.getVringBaseSkipDrain(0), 1);
  await until(() => done === 1, "the completion");
  assert.equal(device.suspensions, 0);
});

test("a flush that is suspended touches nothing afterwards", async (t) => {
  const served = await serveDisk(t);
  const client = await connectDisk(t, served, { reconnect: {} });
  const tail = client.memory.allocate(4096, 4096);
  const head = client.memory.allocate(4096, 4096);
  head.bytes[0] = 4;
  const queue = client.createQueue({
    index: 0,
    size: 8,
    ringMode: "event",
    handler: { done: () => undefined, failed: () => undefined },
  });
  await client.startQueue(queue);
  for (let i = 0; i < 4; i += 1) {
    const segments = segmentsOf([head.guestAddress, 16], [tail.guestAddress + i, 1]);
    tail.bytes[i] = 0xee;
    queue.add(segments, 1, i);
  }
  queue.publish();
  await client.requests.getVringBaseSkipDrain(0);
  const before = tail.bytes.slice(0, 4);
  await turns(200);
  assert.deepEqual(tail.bytes.slice(0, 4), before);
});

test("the feature is not offered, nor taken, without what it needs", async (t) => {
  const without = { protocol: InflightShmfd };
  const served = await serveDisk(t, (options) => ({ ...options, without }));
  const client = await connectDisk(t, served, { reconnect: {} });
  assert.equal(client.protocolFeatures & (GetVringBaseInflight | GetVringBaseSkipDrain), 0n);
  const holding = await serve(t, new HoldingDevice(), "holding");
  const plain = await Client.connect(holding, { reconnect: {} });
  t.after(() => plain.close());
  assert.equal(plain.protocolFeatures & GetVringBaseSkipDrain, 0n);
  assert.notEqual(plain.protocolFeatures & InflightShmfd, 0n);
});

test("hostile: the feature alone, the request without it, a ring that is not there", async (t) => {
  const served = await serveDisk(t);
  const state = (index: number, num = 0): unknown => ({ index, num });
  await survives(served, async () => {
    const raw = await RawFrontend.connect(served.path);
    const { SetProtocolFeatures, SetFeatures, GetVringBaseSkipDrain: Skip } = FrontendRequest;
    await raw.send(SetProtocolFeatures, RAW_PROTOCOL_FEATURES);
    await raw.send(SetFeatures, VirtioFeature.Version1 | VirtioFeature.ProtocolFeatures);
    const alone = RAW_PROTOCOL_FEATURES | GetVringBaseSkipDrain;
    assert.equal(await raw.ask(SetProtocolFeatures, alone), 1n);
    assert.equal(await raw.ask(Skip, state(0)), "closed");
  });
  const features =
    RAW_PROTOCOL_FEATURES | InflightShmfd | GetVringBaseInflight | GetVringBaseSkipDrain;
  for (const index of [1, 255, 0xffff_ffff]) {
    await survives(served, async () => {
      const raw = await RawFrontend.negotiated(served.path, features);
      assert.equal(await raw.ask(FrontendRequest.GetVringBaseSkipDrain, state(index)), "closed");
    });
  }
  await survives(served, async () => {
    const raw = await RawFrontend.negotiated(served.path, features);
    // A ring that never ran keeps its position.
    assert.equal(await raw.ask(FrontendRequest.GetVringBaseSkipDrain, state(0)), 0n);
    assert.ok(await raw.alive());
    raw.close();
  });
});
