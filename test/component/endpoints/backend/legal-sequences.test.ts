import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { BlockRequest, BlockStatus } from "../../../../src/endpoints/devices/block/index.ts";
import { SharedMemory } from "../../../../src/core/os/index.ts";
import {
  FrontendRequest,
  frontendRequests,
  ProtocolFeature,
  VirtioFeature,
} from "../../../../src/core/protocol/index.ts";
import { SegmentList } from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { RawFrontend } from "../../../../src/lab/wire/index.ts";
import { RawRingParts } from "../../support/raw-ring-parts.ts";
import { type Served, serveDisk, survives } from "../../support/session.ts";
import { until } from "../../../support/until.ts";

guardLeaks();

/** Sequences that the specification allows, that are rare, and that broke real peers. */

const { Version1, ProtocolFeatures, LogAll } = VirtioFeature;
const { ReplyAck, LogShmfd, InflightShmfd } = ProtocolFeature;
const {
  SetFeatures,
  SetProtocolFeatures,
  SetMemTable,
  SetVringNum,
  SetVringAddr,
  SetVringKick,
  SetVringEnable,
  GetVringBase,
  SetLogBase,
} = FrontendRequest;
const RING = { index: 0, noFd: false };

interface Setting {
  readonly served: Served;
  readonly raw: RawFrontend;
  readonly parts: RawRingParts;
}

/** Plays a sequence on a connection of its own; nothing of it may stay behind. */
async function play(
  t: TestContext,
  sequence: (setting: Setting) => Promise<void>,
  queues = 1,
): Promise<void> {
  const served = await serveDisk(t, undefined, queues);
  await survives(served, async () => {
    const raw = await RawFrontend.connect(served.path);
    const parts = new RawRingParts();
    try {
      await sequence({ served, raw, parts });
      assert.ok(await raw.alive(), served.problems.map(String).join("\n"));
    } finally {
      raw.close();
      parts.close();
    }
  });
}

/** Memory, size and addresses; the ring is not started. */
async function setUp({ raw, parts }: Setting): Promise<void> {
  const [region] = parts.memory.regions;
  assert.ok(region);
  await raw.send(SetMemTable, { regions: [region.description] }, { fds: [region.fd] });
  await raw.send(SetVringNum, { index: 0, num: parts.ring.size });
  await raw.send(SetVringAddr, parts.address);
}

async function start({ raw, parts: { kick } }: Setting): Promise<void> {
  await raw.send(SetVringKick, RING, { fds: [kick.descriptor] });
}

/** Puts `count` requests for the device's name on the ring and waits for their completion. */
async function askNames({ parts }: Setting, count: number, kicked = true): Promise<void> {
  const { ring, memory } = parts;
  const buffer = memory.allocate(64);
  buffer.bytes.fill(0);
  buffer.bytes[0] = BlockRequest.GetId;
  buffer.bytes[63] = 0xff;
  for (let i = 0; i < count; i += 1) {
    const segments = new SegmentList(1);
    // One descriptor each fills the ring to its last entry; too short for a header, so it fails.
    segments.push(buffer.guestAddress + 63, 1);
    assert.ok(ring.add(segments, 0, i), `entry ${i}`);
  }
  ring.publish();
  if (kicked) parts.kick.signal();
  let done = 0;
  await until(() => (done += ring.poll(() => undefined, count)) === count, "completions");
  assert.equal(buffer.bytes[63], BlockStatus.IoError);
}

test("legal 1: REPLY_ACK acknowledged without asking what is offered: acknowledgements are sent", async (t) => {
  await play(t, async ({ raw }) => {
    await raw.send(SetProtocolFeatures, ReplyAck);
    assert.equal(await raw.ask(FrontendRequest.SetOwner), 0n);
  });
});

test("legal 2: no protocol features at all: the ring is enabled from the start", async (t) => {
  await play(t, async (setting) => {
    await setting.raw.send(SetFeatures, Version1);
    await setUp(setting);
    await start(setting);
    await askNames(setting, 3);
  });
});

test("legal 3: SET_FEATURES with LOG_ALL while I/O runs: rings neither stop nor are disabled", async (t) => {
  await play(t, async (setting) => {
    const { raw } = setting;
    await raw.send(SetProtocolFeatures, ReplyAck | LogShmfd);
    await raw.send(SetFeatures, Version1 | ProtocolFeatures);
    await setUp(setting);
    await start(setting);
    assert.equal(await raw.ask(SetVringEnable, { index: 0, num: 1 }), 0n);
    using log = SharedMemory.create("log", 4096);
    await raw.ask(SetLogBase, { mmapSize: 4096n, mmapOffset: 0n }, [log.fd]);
    for (const features of [LogAll, 0n, LogAll, 0n]) {
      const asked = raw.ask(SetFeatures, Version1 | ProtocolFeatures | features);
      await askNames(setting, 2);
      await asked;
      await askNames(setting, 2);
    }
  });
});

test("legal 4 and 5: SET_LOG_BASE is answered, also the second time, and the first log is let go", async (t) => {
  await play(t, async ({ raw }) => {
    await raw.send(SetProtocolFeatures, ReplyAck | LogShmfd);
    await raw.send(SetFeatures, Version1 | ProtocolFeatures | LogAll);
    using log = SharedMemory.create("log", 8192);
    for (let i = 0; i < 200; i += 1) {
      const mmapOffset = i % 2 === 0 ? 0n : 4096n;
      await raw.send(SetLogBase, { mmapSize: 4096n, mmapOffset }, { fds: [log.fd] });
      const reply = await raw.next();
      assert.ok(typeof reply === "object");
      assert.equal(reply.header.request, SetLogBase);
    }
  });
});

test("legal 6: SET_INFLIGHT_FD before SET_VRING_NUM", async (t) => {
  await play(t, async (setting) => {
    const { raw } = setting;
    await raw.send(SetProtocolFeatures, ReplyAck | InflightShmfd);
    await raw.send(SetFeatures, Version1 | ProtocolFeatures);
    const wanted = { mmapSize: 0n, mmapOffset: 0n, numQueues: 1, queueSize: 16 };
    const reply = await raw.exchange(FrontendRequest.GetInflightFd, wanted);
    assert.ok(reply !== "closed");
    const { codec } = frontendRequests.GetInflightFd.reply;
    const region = codec.decode(reply.payload);
    using memory = SharedMemory.create("inflight", Number(region.mmapSize));
    const given = { ...region, mmapOffset: 0n };
    await raw.ask(FrontendRequest.SetInflightFd, given, [memory.fd]);
    await setUp(setting);
    await start(setting);
    assert.equal(await raw.ask(SetVringEnable, { index: 0, num: 1 }), 0n);
    await askNames(setting, 3);
  });
});

test("legal 7: SET_VRING_KICK with bit 8: the ring is polled", async (t) => {
  await play(t, async (setting) => {
    await setting.raw.send(SetFeatures, Version1);
    await setUp(setting);
    await setting.raw.send(SetVringKick, { index: 0, noFd: true });
    await askNames(setting, 3, false);
  });
});

test("legal 8: GET_VRING_BASE of a ring that was never set up, twice", async (t) => {
  await play(t, async ({ raw }) => {
    await raw.send(SetFeatures, Version1);
    for (let i = 0; i < 2; i += 1)
      assert.equal(await raw.ask(GetVringBase, { index: 0, num: 0 }), 0n);
  });
});

test("legal 9: an available ring that is full to the last entry is served to the last entry", async (t) => {
  await play(t, async (setting) => {
    await setting.raw.send(SetFeatures, Version1);
    await setUp(setting);
    await start(setting);
    for (let round = 0; round < 5; round += 1) await askNames(setting, setting.parts.ring.size);
  });
});

test("legal 10: fewer queues than there are, MQ not acknowledged: the device is ready", async (t) => {
  await play(
    t,
    async (setting) => {
      const { raw } = setting;
      await raw.send(SetProtocolFeatures, ReplyAck);
      await raw.send(SetFeatures, Version1 | ProtocolFeatures);
      await setUp(setting);
      await start(setting);
      assert.equal(await raw.ask(SetVringEnable, { index: 0, num: 1 }), 0n);
      await askNames(setting, 3);
    },
    4,
  );
});
