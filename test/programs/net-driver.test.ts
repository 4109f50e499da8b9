import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  describeFrame,
  NET_DRIVER_FEATURES,
  NetDriver,
  NetFeature,
} from "../../src/endpoints/devices/net/index.ts";
import { Client } from "../../src/endpoints/frontend/index.ts";
import { Testpmd } from "../../src/lab/programs/index.ts";
import { VirtioFeature } from "../../src/core/protocol/index.ts";
import type { FrameObserver } from "../../src/core/transport/index.ts";
import { assertHeard, listen } from "../coverage/heard.ts";
import { fullCount } from "../support/full-count.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { needsProgram, temporaryDirectory } from "./support/index.ts";
import { portStatistics } from "./support/net.ts";
import { until } from "../support/until.ts";

guardLeaks();

const skip = needsProgram("dpdk-testpmd");

/** What txonly sends: UDP from 198.18.0.1 to 198.18.0.2. */
const TESTPMD_FRAME = /UDP 198\.18\.0\.1:9 > 198\.18\.0\.2:9, 96 bytes$/;
/** Sent by us, counted and returned by testpmd, on each pair. */
const FRAMES = fullCount(5000, 500);
/** Sent by testpmd. */
const FROM_TESTPMD = fullCount(20_000, 2000);

interface Case {
  readonly packed: boolean;
  readonly inOrder: boolean;
  readonly mergeable: boolean;
  readonly queuePairs: number;
  readonly ringMode: "event" | "poll";
  /** I/O virtual addresses; testpmd asks us for translations. */
  readonly iommu?: boolean;
}

const cases: readonly Case[] = [
  { packed: false, inOrder: false, mergeable: true, queuePairs: 1, ringMode: "event" },
  { packed: false, inOrder: true, mergeable: false, queuePairs: 1, ringMode: "poll" },
  { packed: false, inOrder: false, mergeable: false, queuePairs: 4, ringMode: "poll" },
  { packed: false, inOrder: true, mergeable: true, queuePairs: 4, ringMode: "event" },
  { packed: true, inOrder: false, mergeable: true, queuePairs: 1, ringMode: "event" },
  { packed: true, inOrder: true, mergeable: true, queuePairs: 1, ringMode: "event" },
  { packed: true, inOrder: false, mergeable: true, queuePairs: 4, ringMode: "event" },
  { packed: true, inOrder: true, mergeable: false, queuePairs: 4, ringMode: "poll" },
  ...[false, true].flatMap((packed) =>
    [1, 4].map((queuePairs) => ({
      packed,
      inOrder: packed,
      mergeable: queuePairs === 1,
      queuePairs,
      ringMode: packed ? ("poll" as const) : ("event" as const),
      iommu: true,
    })),
  ),
];

for (const each of cases) {
  const { packed, inOrder, mergeable, queuePairs, ringMode, iommu = false } = each;
  const name = [
    packed ? "packed" : "split",
    inOrder ? "in order" : "in any order",
    mergeable ? "mergeable" : "not mergeable",
    `${queuePairs} pairs`,
    ringMode,
    ...(iommu ? ["IOMMU"] : []),
  ].join(", ");
  test(
    `testpmd as back-end counts what our driver sends, and sends it back (${name})`,
    { skip },
    async (t) => {
      const socketPath = join(temporaryDirectory(t), "net.sock");
      await using testpmd = await Testpmd.start({
        socketPath,
        role: "backend",
        queuePairs,
        deviceOptions: iommu ? "iommu-support=1" : undefined,
        applicationArguments: ["--forward-mode=rxonly"],
      });
      const heard = listen();
      const observe = iommu ? heard.observe : undefined;
      const { client, driver, frames, receive } = await drive(t, socketPath, each, observe);
      assert.deepEqual(
        [client.ringFeatures.packed, client.ringFeatures.inOrder],
        [packed, inOrder],
      );
      assert.equal((client.features & NetFeature.MrgRxbuf) !== 0n, mergeable);

      assert.equal((client.features & VirtioFeature.AccessPlatform) !== 0n, iommu);
      if (iommu) await translateAll(testpmd, client, driver);

      // There: what it counts is what we sent.
      await testpmd.command("set fwd rxonly");
      // Not while it polls: it adds to its counters, also nothing, and so brings old values back.
      await testpmd.command("clear port stats all");
      await testpmd.command("start");
      const sentBefore = driver.counters.txFrames;
      const bytes = await send(driver, FRAMES);
      await driver.flushed();
      await testpmd.command("stop");
      const there = await portStatistics(testpmd);
      assert.deepEqual([there.rxFrames, there.rxBytes], [queuePairs * FRAMES, bytes]);
      assert.equal(driver.counters.txFrames - sentBefore, queuePairs * FRAMES);

      // There and back: the addresses change places, and nothing else changes.
      await testpmd.command("clear port stats all");
      await testpmd.command("set fwd macswap");
      await testpmd.command("start");
      const seen = Array.from({ length: queuePairs }, () => 0);
      let odd = 0;
      receive((frame, pair) => {
        const at = seen[pair] ?? 0;
        seen[pair] = at + 1;
        const expected = sample(pair, at);
        expected.set(sample(pair, at).subarray(0, 6), 6);
        expected.set(sample(pair, at).subarray(6, 12), 0);
        if (Buffer.compare(frame, expected) !== 0) odd += 1;
      });
      // Few enough at a time for its rings: what finds no room there is dropped.
      for (let at = 0; at < FRAMES; at += 50) {
        await send(driver, 50, at);
        await until(() => seen.every((count) => count === at + 50), "what testpmd sends back");
      }
      await testpmd.command("stop");
      const back = await portStatistics(testpmd);
      assert.deepEqual(
        [back.rxFrames, back.txFrames, back.rxBytes, back.txBytes],
        [queuePairs * FRAMES, queuePairs * FRAMES, bytes, bytes],
      );
      assert.equal(odd, 0, "frames that were returned without their addresses swapped");

      // Back: what we count is what it sent.
      await testpmd.command("clear port stats all");
      await testpmd.command("set fwd txonly");
      await testpmd.command("set txpkts 96");
      const before = driver.counters.rxFrames;
      receive((frame) => {
        if (!TESTPMD_FRAME.test(describeFrame(frame))) odd += 1;
      });
      await testpmd.command("start");
      await until(() => driver.counters.rxFrames >= before + FROM_TESTPMD, "its frames");
      await testpmd.command("stop");
      const from = await portStatistics(testpmd);
      await until(() => driver.counters.rxFrames - before === from.txFrames, "all that it counts");
      assert.equal(from.txBytes, 96 * from.txFrames);
      assert.equal(odd, 0, "frames that testpmd does not send");
      assert.equal(frames(), driver.counters.rxFrames);
      assert.equal(client.iommu?.counters.refused ?? 0, 0);
      if (iommu && queuePairs > 1) assertHeard("client", "DPDK 22.11 with an IOMMU", heard);
      const { rxShort, rxOverlong, rxWrongBuffers, rxTooLong, rxOffloads } = driver.counters;
      assert.deepEqual(
        [rxShort, rxOverlong, rxWrongBuffers, rxTooLong, rxOffloads],
        [0, 0, 0, 0, 0],
      );
      assert.equal(driver.failure, undefined);
      t.diagnostic(
        `${queuePairs * FRAMES} frames out, as many there and back, ${from.txFrames} from testpmd`,
      );
    },
  );
}

/**
 * Has every buffer pass until no translation is missing any more: DPDK drops a frame that it has no
 * translation for, and what is dropped is not counted.
 */
async function translateAll(testpmd: Testpmd, client: Client, driver: NetDriver): Promise<void> {
  const misses = (): number => client.iommu?.counters.misses ?? 0;
  let before = -1;
  for (let round = 0; round < 20 && misses() > before; round += 1) {
    before = misses();
    await testpmd.command("set fwd rxonly");
    await testpmd.command("start");
    await send(driver, 600);
    await driver.flushed();
    await testpmd.command("stop");
    await testpmd.command("set fwd txonly");
    const received = driver.counters.rxFrames;
    await testpmd.command("start");
    await until(
      () => driver.counters.rxFrames >= received + 1000 * driver.queuePairs,
      "frames into every buffer",
    );
    await testpmd.command("stop");
  }
  assert.ok(misses() > 0);
  assert.equal(misses(), before, "nothing is asked for any more");
}

/** A frame that is different for each pair and number, of 60 to 1514 bytes. */
function sample(pair: number, at: number): Uint8Array {
  const frame = Buffer.alloc(60 + ((at * 97) % 1455), (pair * 31 + at) & 0xff);
  frame.set([0x52, 0x54, 0, 0, 0, pair, 0x52, 0x54, 0, 0, 1, pair, 0x88, 0xb5]);
  frame.writeUInt32BE(at, 14);
  return frame;
}

/** Sends a number of frames on each pair, from one number on; returns their bytes. */
async function send(driver: NetDriver, count: number, from = 0): Promise<number> {
  let bytes = 0;
  for (let at = from; at < from + count; at += 1) {
    for (let pair = 0; pair < driver.queuePairs; pair += 1) {
      const frame = sample(pair, at);
      while (!driver.send(frame, pair)) await driver.room(pair);
      bytes += frame.length;
    }
  }
  return bytes;
}

async function drive(t: TestContext, socketPath: string, options: Case, observe?: FrameObserver) {
  const { packed, inOrder, mergeable, queuePairs, ringMode, iommu } = options;
  const client = await Client.connect(socketPath, {
    deviceFeatures: NET_DRIVER_FEATURES,
    packed,
    inOrder,
    // What fits the cache of DPDK, which has 2048 entries and forgets any of them when it is full.
    iommu: iommu && { pageSize: 65_536 },
    observe,
    without: mergeable ? {} : { virtio: NetFeature.MrgRxbuf },
  });
  t.after(() => client.close());
  let count = 0;
  let onFrame: (frame: Uint8Array, pair: number) => void = () => undefined;
  const driver = await NetDriver.start(client, {
    queuePairs,
    ringMode,
    onFrame: (frame, pair) => {
      count += 1;
      onFrame(frame, pair);
    },
  });
  return {
    client,
    driver,
    frames: () => count,
    receive: (handler: typeof onFrame) => void (onFrame = handler),
  };
}
