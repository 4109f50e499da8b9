import { blockType } from "../../../../src/endpoints/devices/block/type.ts";
import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { BackendServer, type Device } from "../../../../src/endpoints/backend/index.ts";
import {
  Client,
  type ClientOptions,
  type ClientQueue,
} from "../../../../src/endpoints/frontend/index.ts";
import type { GuestBuffer } from "../../../../src/core/memory/index.ts";
import { BackendRequest, IotlbPermission, IotlbType } from "../../../../src/core/protocol/index.ts";
import {
  type ChainCursor,
  copyIn,
  createChainCursor,
  SegmentList,
} from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { HoldingDevice } from "../../support/holding-device.ts";
import { until } from "../../../support/until.ts";

guardLeaks();

const PAGE = 4096;

interface Session {
  readonly client: Client;
  readonly queue: ClientQueue;
  /** Tokens in the order of their completion. */
  readonly done: number[];
}

/** A client behind an IOMMU, and one queue of a back-end with this device. */
async function connect(
  t: TestContext,
  device: Device,
  options: ClientOptions = {},
): Promise<Session> {
  const path = join(temporaryFolder(t), "device.sock");
  const server = await BackendServer.listen(path, { device: () => device, iommu: true });
  t.after(() => server.close());
  const memory = { size: 1 << 18 };
  const client = await Client.connect(path, { iommu: true, memory, ...options });
  t.after(() => client.close());
  const done: number[] = [];
  const queue = client.createQueue({
    index: 0,
    size: 16,
    ringMode: "event",
    handler: { done: (token) => done.push(token), failed: () => undefined },
  });
  return { client, queue, done };
}

function submit({ queue }: Session, buffer: GuestBuffer, token: number): void {
  const segments = new SegmentList(1);
  segments.push(buffer.address, buffer.bytes.length);
  assert.ok(queue.add(segments, 0, token));
  queue.publish();
}

/** Writes 0x77 into the writable part of each chain. */
class Stamper implements Device {
  readonly type = blockType;
  readonly features = 0n;
  readonly maxQueues = 1;
  readonly maxQueueSize = 64;
  readonly #chain: ChainCursor = createChainCursor();
  readonly #stamp = new Uint8Array(64).fill(0x77);

  process({ queue }: Parameters<Device["process"]>[0]): void {
    while (queue.next(this.#chain)) {
      copyIn(this.#chain, 0, this.#stamp, 0, this.#stamp.length);
      queue.complete(this.#chain.id, this.#stamp.length);
    }
  }
}

for (const packed of [false, true]) {
  const format = packed ? "packed" : "split";

  test(`an invalidation is acknowledged once no chain is in flight (${format})`, async (t) => {
    const device = new HoldingDevice();
    let drain: () => void = () => undefined;
    device.drained = new Promise((resolve) => (drain = resolve));
    const session = await connect(t, device, { packed });
    const { client, done } = session;
    const buffer = client.memory.allocate(64, PAGE);
    await client.startQueue(session.queue);
    submit(session, buffer, 1);
    await until(() => device.held.length === 1, "the chain");
    let acknowledged = false;
    const invalidating = client.iommu?.invalidate(buffer.address, PAGE).then(() => {
      acknowledged = true;
    });
    for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(acknowledged, false);
    drain();
    await invalidating;
    assert.equal(device.held.length, 0);
    await until(() => done.length === 1, "the completion");
    device.drained = undefined;
    submit(session, buffer, 2);
    await until(() => device.held.length === 1, "the next chain");
    device.release();
    await until(() => done.length === 2, "the next completion");
  });

  test(`after an invalidation the new translation is used, and not the old one (${format})`, async (t) => {
    const target: { buffer?: GuestBuffer } = {};
    const asked: bigint[] = [];
    const session: Session = await connect(t, new Stamper(), {
      packed,
      backendRequests: {
        [BackendRequest.IotlbMsg]: async (miss) => {
          const { client } = session;
          const send: ClientSend = async (update) => client.requests.iotlbMsg(update);
          asked.push(miss.iova);
          const moved = BigInt(buffer().address);
          if (target.buffer === undefined || miss.iova / 4096n !== moved / 4096n) {
            await client.iommu?.answer(miss, send);
            return;
          }
          await send({
            iova: moved,
            size: BigInt(PAGE),
            userAddress: target.buffer.userAddress,
            permissions: IotlbPermission.ReadWrite,
            type: IotlbType.Update,
          });
        },
      },
    });
    const { client, done } = session;
    const here = client.memory.allocate(64, PAGE);
    const buffer = (): GuestBuffer => here;
    const there = client.memory.allocate(PAGE, PAGE);
    await client.startQueue(session.queue);
    submit(session, here, 1);
    await until(() => done.length === 1, "the completion");
    assert.ok(here.bytes.every((byte) => byte === 0x77));
    here.bytes.fill(0);
    target.buffer = there;
    await client.iommu?.invalidate(here.address, PAGE);
    const before = asked.length;
    submit(session, here, 2);
    await until(() => done.length === 2, "the completion");
    assert.equal(asked.length, before + 1, "the buffer's page, and no other");
    assert.ok(here.bytes.every((byte) => byte === 0));
    assert.ok(there.bytes.subarray(0, 64).every((byte) => byte === 0x77));
  });

  test(`a ring whose own pages are withdrawn is left alone until they are back (${format})`, async (t) => {
    const session = await connect(t, new Stamper(), { packed });
    const { client, done, queue } = session;
    const { iommu } = client;
    assert.ok(iommu);
    const buffer = client.memory.allocate(64, PAGE);
    await client.startQueue(queue);
    const { descriptors, device } = queue.ring.parts;
    await iommu.protect(descriptors.address, PAGE, IotlbPermission.None);
    const before = device.bytes.slice();
    const { refused } = iommu.counters;
    submit(session, buffer, 1);
    await until(() => iommu.counters.refused > refused, "a question that is refused");
    assert.deepEqual(device.bytes.slice(), before);
    assert.ok(buffer.bytes.every((byte) => byte === 0));
    await iommu.protect(descriptors.address, PAGE, IotlbPermission.ReadWrite);
    await until(() => done.length === 1, "the completion");
    assert.ok(buffer.bytes.every((byte) => byte === 0x77));
  });
}

type ClientSend = (update: Parameters<Client["requests"]["iotlbMsg"]>[0]) => Promise<void>;
