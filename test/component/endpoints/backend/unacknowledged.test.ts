/** A driver that uses what it did not acknowledge is served, with one warning, and refused by strict. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { BackendServer, type RingOptions } from "../../../../src/endpoints/backend/index.ts";
import {
  BlockDevice,
  BlockRequest,
  BlockStatus,
} from "../../../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../../../src/endpoints/storage/index.ts";
import { NetDevice } from "../../../../src/endpoints/devices/net/index.ts";
import { Client, type ClientOptions } from "../../../../src/endpoints/frontend/index.ts";
import { VirtioFeature } from "../../../../src/core/protocol/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { header, range } from "../../support/block.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { segmentsOf } from "../../support/rings.ts";
import { RawPackedRing, RawSplitRing } from "../../../../src/lab/wire/index.ts";
import { DescriptorFlag } from "../../../../src/core/virtqueue/index.ts";
import { until } from "../../../support/until.ts";

const { Next: NEXT, Write: WRITE, Indirect: INDIRECT } = DescriptorFlag;

guardLeaks();

interface Shape {
  readonly packed: boolean;
  readonly rings: RingOptions;
  readonly strict: boolean;
}

const both = [false, true];
const shapes: readonly Shape[] = both.flatMap((packed) =>
  both.flatMap((workers) => both.map((strict) => ({ packed, rings: { workers }, strict }))),
);
const nameOf = ({ packed, rings, strict }: Shape): string =>
  [
    packed ? "packed" : "split",
    rings.workers ? "in a worker" : "on the loop",
    strict ? "strict" : "lenient",
  ].join(", ");

const POISON = 0xee;

/** A ring of a device, for chains of which one part is read and another is written. */
async function connect(
  t: TestContext,
  device: BlockDevice | NetDevice,
  { packed, rings, strict }: Shape,
  { index = 0, ...options }: ClientOptions & { readonly index?: number } = {},
) {
  const path = join(temporaryFolder(t), "s");
  const problems: string[] = [];
  const server = await BackendServer.listen(path, {
    device: () => device,
    rings,
    strictness: strict ? "strict" : "lenient",
    onProblem: ({ message }) => problems.push(message),
  });
  const client = await Client.connect(path, { packed, memory: { size: 1 << 20 }, ...options });
  t.after(async () => {
    await client.close();
    server.close();
    await until(() => server.sessions.size === 0, "the session to end");
  });
  let completed = 0;
  const queue = client.createQueue({
    index,
    size: 8,
    ringMode: "event",
    handler: { done: () => (completed += 1), failed: () => undefined },
  });
  await client.startQueue(queue);
  const { guestAddress: at, bytes } = client.memory.allocate(512);
  const last = 256;
  /** The byte that the device answers with. */
  const request = async (readable: Uint8Array): Promise<number | undefined> => {
    bytes.set(readable);
    bytes[last] = POISON;
    assert.ok(queue.add(segmentsOf([at, readable.length], [at + last, 1]), 1, 0));
    queue.publish();
    const before = completed;
    await until(() => completed > before || problems.some(isBreak), "an answer");
    return bytes[last];
  };
  return { client, queue, problems, bytes, at, last, request };
}

const isBreak = (problem: string): boolean => problem.includes("is broken");

function disk(t: TestContext): BlockDevice {
  const storage = BlockStorage.memory(1 << 20);
  t.after(() => storage.close());
  return new BlockDevice({ storage, queues: 1 });
}

for (const shape of shapes) {
  test(`an indirect table without its feature (${nameOf(shape)})`, async (t) => {
    const without = { virtio: VirtioFeature.IndirectDesc };
    const on = await connect(t, disk(t), shape, { without });
    const { queue, bytes, at, last, problems } = on;
    const { raw } = queue.ring;
    const table = on.client.memory.allocate(32, 16);
    const entries = new DataView(table.bytes.buffer, table.bytes.byteOffset);
    [at, at + last].forEach((address, i) => {
      const flags = i === 0 ? NEXT : WRITE;
      entries.setBigUint64(16 * i, BigInt(address), true);
      entries.setUint32(16 * i + 8, i === 0 ? 16 : 1, true);
      // Flags and next of a split ring are id and flags of a packed one.
      entries.setUint16(16 * i + 12, shape.packed ? 0 : flags, true);
      entries.setUint16(16 * i + 14, shape.packed ? flags : 1, true);
    });
    const descriptor = { address: table.guestAddress, length: 32, flags: INDIRECT };
    const split = shape.packed ? undefined : new RawSplitRing(raw);
    const packed = shape.packed ? new RawPackedRing(raw) : undefined;
    bytes.set(header(BlockRequest.In));
    for (let i = 0; i < 3; i += 1) {
      bytes[last] = POISON;
      split?.put(0, descriptor);
      split?.publish(0);
      packed?.publish(descriptor);
      queue.kick.signal();
      await until(() => bytes[last] !== POISON || problems.some(isBreak), "an answer");
    }
    assert.equal(bytes[last], shape.strict ? POISON : BlockStatus.Ok);
    const text = problems.join("\n");
    assert.match(text, /the driver uses VIRTIO_RING_F_INDIRECT_DESC, which it did not acknowledge/);
    assert.equal(problems.length, shape.strict ? 2 : 1, text);
  });

  test(`block requests without their features (${nameOf(shape)})`, async (t) => {
    const { request, problems } = await connect(t, disk(t), shape);
    const expected = shape.strict ? BlockStatus.Unsupported : BlockStatus.Ok;
    for (let i = 0; i < 2; i += 1) {
      assert.equal(await request(header(BlockRequest.Flush)), expected);
      for (const type of [BlockRequest.Discard, BlockRequest.WriteZeroes])
        assert.equal(await request(Buffer.concat([header(type), range(0, 8)])), expected);
    }
    const names = ["FLUSH", "DISCARD", "WRITE_ZEROES"].map((name) => `VIRTIO_BLK_F_${name}`);
    assert.deepEqual(
      problems.map((problem) => /VIRTIO_\w+/.exec(problem)?.[0]),
      names,
    );
  });
}

for (const shape of shapes.filter(({ packed }) => packed)) {
  test(`an event area that names a descriptor without EVENT_IDX (${nameOf(shape)})`, async (t) => {
    const without = { virtio: VirtioFeature.EventIdx };
    const { queue, request, problems } = await connect(t, disk(t), shape, { without });
    const { raw } = queue.ring;
    assert.ok(raw.format === "packed");
    for (let i = 0; i < (shape.strict ? 1 : 2); i += 1) {
      Atomics.store(raw.driverEvent, 1, 2);
      assert.equal(await request(header(BlockRequest.In)), BlockStatus.Ok);
    }
    await until(() => problems.length === (shape.strict ? 2 : 1), "the reports");
    assert.match(problems.join("\n"), /the driver uses VIRTIO_RING_F_EVENT_IDX/);
    assert.equal(problems.some(isBreak), shape.strict);
  });
}

for (const shape of shapes.filter(({ rings }) => rings.workers !== true)) {
  test(`a control queue without its feature (${nameOf(shape)})`, async (t) => {
    const net = new NetDevice({ control: { mac: "52:54:00:12:34:56" } });
    const { request, problems } = await connect(t, net, shape, { index: 2 });
    const promiscuous = Uint8Array.of(0, 0, 1);
    for (let i = 0; i < 2; i += 1)
      assert.equal(await request(promiscuous), shape.strict ? POISON : 0);
    const text = problems.join("\n");
    assert.match(text, /the driver uses VIRTIO_NET_F_CTRL_VQ, which it did not acknowledge/);
    assert.equal(problems.some(isBreak), shape.strict, text);
  });
}
