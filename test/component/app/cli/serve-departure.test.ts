import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  type BackendOptions,
  BackendServer,
  type Device,
} from "../../../../src/endpoints/backend/index.ts";
import { NegotiationError } from "../../../../src/core/base/index.ts";
import { describeDeparture } from "../../../../src/app/cli/commands/serve/departure.ts";
import { BlockDevice } from "../../../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../../../src/endpoints/storage/index.ts";
import { FsDevice, SharedFolder } from "../../../../src/endpoints/devices/fs/index.ts";
import { NetDevice } from "../../../../src/endpoints/devices/net/index.ts";
import { Client } from "../../../../src/endpoints/frontend/index.ts";
import { EventFd } from "../../../../src/core/os/index.ts";
import { FrontendRequest, VirtioFeature } from "../../../../src/core/protocol/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { until } from "../../../support/until.ts";

guardLeaks();

const { ProtocolFeatures, Version1 } = VirtioFeature;

/** What is said of a front-end that does this and closes the connection. */
async function departure(
  t: TestContext,
  device: () => Device,
  visit: (client: Client) => Promise<void>,
  options: Partial<BackendOptions> = {},
): Promise<{ line: string; problems: string[] }> {
  const path = join(temporaryFolder(t), "device.sock");
  const lines: string[] = [];
  const problems: string[] = [];
  const server = await BackendServer.listen(path, {
    ...options,
    device,
    onProblem: ({ message }, ends) => {
      if (!ends) problems.push(message);
    },
    onSessionEnd: (session, reason) => lines.push(describeDeparture(session, reason)),
  });
  t.after(() => server.close());
  try {
    const client = await Client.connect(path, { memory: { size: 1 << 16 }, timeoutMs: 30_000 });
    await visit(client).catch(() => undefined);
    await client.close();
  } catch (error) {
    // Our client leaves as other front-ends do.
    assert.ok(error instanceof NegotiationError);
  }
  await until(() => lines.length === 1, "the session to end");
  return { line: lines[0] ?? "", problems };
}

function block(t: TestContext, queues?: number): () => Device {
  const storage = BlockStorage.memory(1 << 20);
  t.after(() => storage.close());
  return () => new BlockDevice({ storage, ...(queues !== undefined && { queues }) });
}

function fs(t: TestContext): () => Device {
  const folder = SharedFolder.open(temporaryFolder(t));
  t.after(() => folder.close());
  return () => new FsDevice({ folder });
}

async function readQueueNum({ requests }: Client): Promise<void> {
  await requests.getQueueNum();
}

test("a front-end that leaves after GET_QUEUE_NUM may have needed more queues", async (t) => {
  const read = "front-end left after it read the number of queues, ";
  const more = "if it needs more, offer them with --queues";
  const few = await departure(t, block(t, 2), readQueueNum);
  assert.equal(few.line, `${read}2: ${more}`);
  const all = await departure(t, block(t), readQueueNum);
  assert.equal(all.line, `${read}256: if it needs more, give it fewer (QEMU: num-queues=)`);
  const pairs = await departure(t, () => new NetDevice({ queuePairs: 4 }), readQueueNum);
  assert.equal(pairs.line, `${read}4 (pairs): ${more}`);
  const shared = await departure(t, fs(t), readQueueNum);
  assert.equal(shared.line, `${read}2 (with hiprio): ${more}`);
});

test("a ring beyond those that are offered is named, with how many there are", async (t) => {
  const { line } = await departure(t, fs(t), async ({ requests }) => {
    const call = EventFd.create();
    try {
      await requests.setVringCall(2, call.descriptor);
    } finally {
      call.close();
    }
  });
  assert.equal(
    line,
    "front-end left after a refusal: VHOST_USER_SET_VRING_CALL: there is no ring 2: " +
      "the device offers 2 rings; offer more with --queues",
  );
});

test("VERSION_1 that is not acknowledged, or not offered, is the reason", async (t) => {
  const legacy = await departure(t, block(t), async ({ requests }) =>
    requests.call(FrontendRequest.SetFeatures, ProtocolFeatures),
  );
  assert.match(legacy.line, /left after a refusal: .*did not acknowledge VIRTIO_F_VERSION_1/);
  const without = { without: { virtio: Version1 } };
  const old = await departure(t, block(t), async () => undefined, without);
  assert.match(old.line, /left before it started a ring: VIRTIO_F_VERSION_1 is not offered/);
});

test("a configuration space that was refused is the reason, and is a problem on its own", async (t) => {
  const refused =
    /^VHOST_USER_GET_CONFIG: 8 bytes at 4294967292 of the configuration space are refused: it has 60 bytes$/;
  const { line, problems } = await departure(t, block(t), async ({ requests }) => {
    await requests.call(
      FrontendRequest.GetConfig,
      { offset: 0xffff_fffc, flags: 0, data: new Uint8Array(8) },
      { unchecked: true },
    );
  });
  assert.match(problems[0] ?? "", refused);
  assert.equal(line, `front-end left after a refusal: ${problems[0]}`);
});

test("a ring outside shared memory leads to share=on", async (t) => {
  const address = { index: 0, flags: 0, log: 0n, descriptor: 0n, used: 0n, available: 0n };
  const away = { ...address, descriptor: 0x7f00_0000_0000n };
  const { line } = await departure(t, block(t), async ({ requests }) => {
    await requests.setVringNum(0, 16);
    await requests.setVringAddr(away);
  });
  assert.equal(
    line,
    "front-end left after a refusal: VHOST_USER_SET_VRING_ADDR: the descriptors area of ring 0, " +
      "256 bytes at 0x7f0000000000, is outside shared memory: no region that the front-end shared " +
      "holds all of it; is share=on missing at the memory backend?",
  );
});

test("a front-end of which nothing is known to be wrong just left", async (t) => {
  const { line, problems } = await departure(t, block(t), async ({ requests }) => {
    await requests.getFeatures();
  });
  assert.match(line, /^front-end left: the peer closed the connection/);
  assert.deepEqual(problems, []);
});
