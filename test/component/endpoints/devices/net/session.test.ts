import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { BackendServer } from "../../../../../src/endpoints/backend/index.ts";
import { delay } from "../../../../../src/core/base/index.ts";
import {
  NetDevice,
  type NetDeviceOptions,
} from "../../../../../src/endpoints/devices/net/index.ts";
import { Client, type ClientQueue } from "../../../../../src/endpoints/frontend/index.ts";
import { SegmentList } from "../../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";
import { temporaryFolder } from "../../../support/folder.ts";
import { frameOf, packetOf } from "../../../support/net.ts";
import { until } from "../../../../support/until.ts";

guardLeaks();

interface ServedNet {
  readonly path: string;
  readonly net: NetDevice;
  readonly frames: Uint8Array[];
  readonly problems: string[];
  /** How often the device was asked to serve a ring, by its index. */
  readonly served: number[];
}

async function serveNet(t: TestContext, options: NetDeviceOptions = {}): Promise<ServedNet> {
  const path = join(temporaryFolder(t), "net.sock");
  const frames: Uint8Array[] = [];
  const problems: string[] = [];
  const served: number[] = [];
  const net = new NetDevice({ ...options, onFrame: (frame) => frames.push(frame) });
  const process = net.process.bind(net);
  net.process = (running) => {
    served[running.index] = (served[running.index] ?? 0) + 1;
    process(running);
  };
  const server = await BackendServer.listen(path, {
    device: () => net,
    onProblem: (problem) => problems.push(problem.message),
  });
  t.after(async () => {
    server.close();
    await until(() => server.sessions.size === 0, "the sessions to end");
  });
  return { path, net, frames, problems, served };
}

/** A client with the two rings of a pair, and the completions on them. */
async function connectCard(t: TestContext, path: string, size = 64) {
  const client = await Client.connect(path, { memory: { size: 1 << 20 } });
  t.after(() => client.close());
  const done: { ring: number; token: number; written: number }[] = [];
  const rings: ClientQueue[] = [];
  for (const index of [0, 1]) {
    const queue = client.createQueue({
      index,
      size,
      ringMode: "event",
      handler: {
        done: (token, written) => done.push({ ring: index, token, written }),
        failed: () => undefined,
      },
    });
    await client.startQueue(queue);
    rings.push(queue);
  }
  const put = (ring: number, bytes: Uint8Array, readable: boolean, token: number) => {
    const buffer = client.memory.allocate(bytes.length);
    buffer.bytes.set(bytes);
    const segments = new SegmentList(1);
    segments.push(buffer.guestAddress, bytes.length);
    assert.ok(rings[ring]?.add(segments, readable ? 1 : 0, token));
    rings[ring]?.publish();
    return buffer.bytes;
  };
  return { client, done, put };
}

test("frames pass both ways through a session", async (t) => {
  const { path, net, frames } = await serveNet(t);
  const { done, put } = await connectCard(t, path);
  put(1, packetOf(frameOf(60)), true, 1);
  await until(() => frames.length === 1, "the frame");
  assert.deepEqual(frames, [frameOf(60)]);
  const buffer = put(0, new Uint8Array(1526), false, 2);
  assert.equal(net.send(frameOf(70)), true);
  await until(() => done.some(({ ring }) => ring === 0), "the driver to get it");
  assert.deepEqual(done.at(-1), { ring: 0, token: 2, written: 82 });
  assert.deepEqual(buffer.slice(12, 82), frameOf(70));
});

test("a frame that waits for a buffer goes out with the next kick", async (t) => {
  const { path, net, served } = await serveNet(t);
  const { done, put } = await connectCard(t, path);
  await until(() => (served[0] ?? 0) > 0, "the ring to run");
  for (let i = 0; i < 40; i += 1) {
    assert.equal(net.send(frameOf(60 + i)), true);
    // The device has seen that there is no buffer, and waits for a kick.
    const before = served[0] ?? 0;
    await until(() => (served[0] ?? 0) > before, "the device to look");
    put(0, new Uint8Array(1526), false, i);
    await until(() => done.length === i + 1, "the driver to get it");
    assert.equal(done.at(-1)?.written, 72 + i);
  }
});

test("buffers that no frame is for do not keep the device busy", async (t) => {
  const { path, served } = await serveNet(t);
  const { put } = await connectCard(t, path);
  for (let i = 0; i < 16; i += 1) put(0, new Uint8Array(1526), false, i);
  await until(() => (served[0] ?? 0) > 0, "the ring to run");
  const before = served[0] ?? 0;
  // Turns of the event loop in which it would have been replayed.
  for (let turn = 0; turn < 50; turn += 1) await delay(0);
  assert.ok((served[0] ?? 0) - before <= 16, `served ${served[0]} times`);
});

test("GET_QUEUE_NUM counts pairs", async (t) => {
  const { path } = await serveNet(t, { queuePairs: 3 });
  const { client } = await connectCard(t, path);
  assert.equal(await client.requests.getQueueNum(), 3n);
});

test("a disabled receive ring gets nothing until it is enabled again", async (t) => {
  const { path, net, served } = await serveNet(t);
  const { client, done, put } = await connectCard(t, path);
  put(0, new Uint8Array(1526), false, 1);
  await until(() => (served[0] ?? 0) > 0, "the ring to run");
  await client.requests.setVringEnable(0, false);
  net.send(frameOf(60));
  await client.requests.getFeatures();
  assert.deepEqual(done, []);
  assert.equal(net.waiting(), 1);
  await client.requests.setVringEnable(0, true);
  await until(() => done.length === 1, "the driver to get it");
});

test("what a disabled transmit ring has is used and dropped, and the ring goes on afterwards", async (t) => {
  const { path, frames } = await serveNet(t);
  const { client, done, put } = await connectCard(t, path);
  put(1, packetOf(frameOf(60)), true, 1);
  await until(() => done.length === 1, "a frame to be taken");
  await client.requests.setVringEnable(1, false);
  put(1, packetOf(frameOf(61)), true, 2);
  await until(() => done.length === 2, "a frame to be dropped");
  await client.requests.setVringEnable(1, true);
  put(1, packetOf(frameOf(62)), true, 3);
  await until(() => done.length === 3, "a frame to be taken again");
  assert.deepEqual(
    frames.map(({ length }) => length),
    [60, 62],
  );
});

test("a packet that breaks the rules ends its ring, and the session goes on", async (t) => {
  const { path, net, problems, frames } = await serveNet(t);
  const { client, done, put } = await connectCard(t, path);
  put(1, new Uint8Array(5), true, 1);
  await until(() => problems.length === 1, "the ring to break");
  assert.deepEqual(problems, [
    "ring 1 is broken: expected a packet with a header of 12 bytes, got 5 bytes (VIRTIO 5.1.6)",
  ]);
  put(0, new Uint8Array(1526), false, 2);
  net.send(frameOf(60));
  await until(() => done.length === 1, "the other ring to serve");
  await client.requests.getFeatures();
  assert.deepEqual(frames, []);
});
