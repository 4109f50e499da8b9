import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import {
  NegotiationError,
  PeerClosedError,
  RemoteError,
  TimeoutError,
  UsageError,
} from "../../../../src/core/base/index.ts";
import { BlockDriver } from "../../../../src/endpoints/devices/block/index.ts";
import { Client } from "../../../../src/endpoints/frontend/index.ts";
import { runBlockPass } from "../../../../src/lab/kits/block/workloads/index.ts";
import { UnixSocket } from "../../../../src/core/os/index.ts";
import {
  FrontendRequest,
  ProtocolFeature,
  VirtioFeature,
} from "../../../../src/core/protocol/index.ts";
import { SocketServer } from "../../../../src/core/transport/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { shortConfig } from "../../support/short-config.ts";
import { connectDisk, pattern, serveDisk, SMALL } from "../../support/session.ts";
import { until } from "../../../support/until.ts";

guardLeaks();

/** A listener that accepts and never sends anything. */
async function silence(t: Parameters<typeof temporaryFolder>[0]): Promise<string> {
  const path = join(temporaryFolder(t), "silent.sock");
  const sockets: UnixSocket[] = [];
  const server = await SocketServer.listen(path, (socket) => sockets.push(socket));
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.close();
  });
  return path;
}

test("a silent listener: the time-out names it", async (t) => {
  const path = await silence(t);
  await assert.rejects(
    Client.connect(path, { timeoutMs: 50, memory: { size: 4096 } }),
    (error) =>
      error instanceof TimeoutError &&
      new RegExp(`GET_FEATURES: no answer within 50 ms; peer is pid ${process.pid} `).test(
        error.message,
      ),
  );
});

test("aborted in the middle of the handshake, or before it", async (t) => {
  const path = await silence(t);
  const reason = new Error("enough");
  const controller = new AbortController();
  const started = performance.now();
  const connecting = Client.connect(path, {
    signal: controller.signal,
    memory: { size: 4096 },
    timeoutMs: 30_000,
  });
  await new Promise((resolve) => setImmediate(resolve));
  controller.abort(reason);
  await assert.rejects(connecting, reason);
  assert.ok(performance.now() - started < 10_000, "it waited for the time-out");
  const [one, two] = UnixSocket.pair();
  t.after(() => one.close());
  await assert.rejects(
    Client.over(two, { signal: AbortSignal.abort(reason), memory: { size: 4096 } }),
    reason,
  );
  assert.ok(two.closed);
});

test("memory that cannot be had leaves nothing open", async (t) => {
  const served = await serveDisk(t);
  await assert.rejects(Client.connect(served.path, { memory: { size: 0 } }), UsageError);
});

test("closing rejects what is pending, once and for all", async (t) => {
  const served = await serveDisk(t);
  const client = await connectDisk(t, served);
  const driver = await BlockDriver.start(client, SMALL);
  const pending = client.requests.getFeatures();
  const closing = [client.close(), client.close()];
  await Promise.all([...closing, pending.catch(() => undefined)]);
  assert.equal((await client.closed).by, "local");
  await assert.rejects(client.requests.getFeatures(), PeerClosedError);
  await assert.rejects(driver.read(0, 512), PeerClosedError);
  await client.close();
});

test("the back-end goes away: I/O and requests fail, closing works", async (t) => {
  const served = await serveDisk(t);
  const client = await connectDisk(t, served);
  const driver = await BlockDriver.start(client, SMALL);
  await driver.write(0, pattern(1));
  for (const session of served.server.sessions) session.close();
  assert.equal((await client.closed).by, "peer");
  await assert.rejects(driver.read(0, 512), PeerClosedError);
  await assert.rejects(client.requests.getFeatures(), PeerClosedError);
});

test("the back-end goes away right behind its last answer to the start of a queue", async (t) => {
  const served = await serveDisk(t);
  let starting = false;
  const client = await connectDisk(t, served, {
    observe: (direction, { header }) => {
      if (!starting || direction !== "received" || header.request !== FrontendRequest.SetStatus)
        return;
      for (const session of served.server.sessions) session.close();
    },
  });
  starting = true;
  await assert.rejects(BlockDriver.start(client, SMALL), PeerClosedError);
});

test("the back-end went away before a pass over the disk begins", async (t) => {
  const served = await serveDisk(t);
  const client = await connectDisk(t, served);
  const driver = await BlockDriver.start(client, SMALL);
  const queue = driver.queues[0];
  assert.ok(queue);
  for (const session of served.server.sessions) session.close();
  await client.closed;
  const pass = runBlockPass(queue, { work: "read", size: 4096, seed: 0, stallMs: 1000 });
  await assert.rejects(pass, PeerClosedError);
});

test("negotiates what both sides have, without what is not wanted", async (t) => {
  const served = await serveDisk(t);
  const client = await connectDisk(t, served, {
    without: { virtio: VirtioFeature.EventIdx, protocol: ProtocolFeature.ConfigureMemSlots },
  });
  assert.equal(client.features & VirtioFeature.EventIdx, 0n);
  assert.ok(client.features & VirtioFeature.Version1);
  assert.equal(client.ringFeatures.eventIdx, false);
  await assert.rejects(client.requests.getMaxMemSlots(), NegotiationError);
  const driver = await BlockDriver.start(client, SMALL);
  await driver.write(0, pattern(3));
  assert.deepEqual(await driver.read(0, 4096), pattern(3));
});

test("asks for the number of queues where MQ is offered, acknowledged or not", async (t) => {
  const served = await serveDisk(t, undefined, 2);
  const client = await connectDisk(t, served, { without: { protocol: ProtocolFeature.Mq } });
  assert.equal(client.protocolFeatures & ProtocolFeature.Mq, 0n);
  assert.equal(await client.requests.getQueueNum(), 2n);
});

test("works without protocol features at all, and without acknowledgements", async (t) => {
  const served = await serveDisk(t, (options) => ({
    ...options,
    without: { protocol: ProtocolFeature.ReplyAck },
  }));
  const client = await connectDisk(t, served);
  assert.equal(client.protocolFeatures & ProtocolFeature.ReplyAck, 0n);
  const driver = await BlockDriver.start(client, SMALL);
  await driver.write(0, pattern(4));
  assert.deepEqual(await driver.read(0, 4096), pattern(4));
  const legacy = await serveDisk(t, (options) => ({
    ...options,
    without: { virtio: VirtioFeature.ProtocolFeatures },
  }));
  const plain = await connectDisk(t, legacy);
  assert.equal(plain.protocolFeatures, 0n);
  await assert.rejects(BlockDriver.start(plain, SMALL), NegotiationError);
});

test("a configuration that the back-end refuses is refused by name", async (t) => {
  const served = await serveDisk(t, (options) => ({ ...options, ...shortConfig(60) }));
  const client = await connectDisk(t, served);
  assert.equal((await client.requests.getConfig(56, 4)).length, 4);
  const refused = (error: unknown): boolean =>
    error instanceof RemoteError && /the peer refused 100 bytes at offset 0/.test(error.message);
  await assert.rejects(client.requests.getConfig(0, 100), refused);
  await assert.rejects(client.requests.getLargestConfig([200, 100]), refused);
  assert.equal((await client.requests.getLargestConfig([100, 8])).length, 8);
  await assert.rejects(client.requests.setConfig(0, Uint8Array.of(1, 2, 3)), RemoteError);
});

test("the observer sees each message, both ways, in order", async (t) => {
  const served = await serveDisk(t);
  const log: string[] = [];
  await connectDisk(t, served, {
    observe: (way, { header }) => log.push(`${way === "sent" ? ">" : "<"}${header.request}`),
  });
  const { GetFeatures, GetProtocolFeatures, SetProtocolFeatures, SetBackendReqFd, SetOwner } =
    FrontendRequest;
  assert.deepEqual(log.slice(0, 7), [
    `>${GetFeatures}`,
    `<${GetFeatures}`,
    `>${GetProtocolFeatures}`,
    `<${GetProtocolFeatures}`,
    // Those behind it need no earlier answer, and are not held back until there is one.
    `>${SetProtocolFeatures}`,
    `>${SetBackendReqFd}`,
    `>${SetOwner}`,
  ]);
  const of = (way: string): string[] =>
    log.filter((entry) => entry.startsWith(way)).map((entry) => entry.slice(1));
  const acknowledged = of(">").filter((request) => request !== String(SetProtocolFeatures));
  assert.deepEqual(of("<"), acknowledged);
});

test("a queue that fails to start leaves the client usable", async (t) => {
  const served = await serveDisk(t);
  const client = await connectDisk(t, served);
  const handler = { done: () => undefined, failed: () => undefined };
  const beyond = client.createQueue({ index: 7, size: 16, ringMode: "event", handler });
  await assert.rejects(client.startQueue(beyond), RemoteError);
  const driver = await BlockDriver.start(client, SMALL);
  await driver.write(0, pattern(5));
  await until(() => driver.queues[0]?.outstanding === 0, "the write");
});
