import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import {
  decodeEthernet,
  describeFrame,
  DhcpType,
  dhcpOf,
  NetFeature,
} from "../../src/endpoints/devices/net/index.ts";
import type { BackendSession } from "../../src/endpoints/backend/index.ts";
import { Testpmd } from "../../src/lab/programs/index.ts";
import { VirtioFeature } from "../../src/core/protocol/index.ts";
import { fullCount } from "../support/full-count.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { needsBootRom, needsProgram, temporaryDirectory } from "./support/index.ts";
import { bootFromNetwork, connectNet, MAC, portStatistics, serveNet } from "./support/net.ts";
import { until } from "../support/until.ts";

guardLeaks();

const skipRom = needsBootRom();
const skipTestpmd = needsProgram("dpdk-testpmd");

/** What txonly sends: UDP from 198.18.0.1 to 198.18.0.2. */
const TESTPMD_FRAME = /UDP 198\.18\.0\.1:9 > 198\.18\.0\.2:9, 96 bytes$/;

/** Frames that testpmd sends, and those that it gets and returns. */
const OUT = fullCount(20_000, 2000);
const RETURNED = fullCount(1000, 200);

const isDiscover = (frame: Uint8Array): boolean => dhcpOf(frame)?.type === DhcpType.Discover;

function assertDiscover(frame: Uint8Array): void {
  const ethernet = decodeEthernet(frame);
  const dhcp = dhcpOf(frame);
  assert.ok(dhcp);
  assert.deepEqual(
    [ethernet?.source, ethernet?.destination, dhcp.clientMac, dhcp.fromClient],
    [MAC, "ff:ff:ff:ff:ff:ff", MAC, true],
  );
}

for (const listen of [true, false]) {
  const who = listen ? "QEMU that listens" : "QEMU that connects";
  test(`the boot ROM of ${who} asks for an address by DHCP`, { skip: skipRom }, async (t) => {
    if (listen) {
      const socketPath = join(temporaryDirectory(t), "net.sock");
      await using _machine = await bootFromNetwork(socketPath, { listen });
      const backend = connectNet(t, socketPath);
      const frame = await backend.frame(isDiscover, "DHCP DISCOVER");
      t.diagnostic(describeFrame(frame));
      assertDiscover(frame);
      assert.deepEqual(backend.problems, []);
    } else {
      const backend = await serveNet(t);
      await using _machine = await bootFromNetwork(backend.socketPath, {});
      const frame = await backend.frame(isDiscover, "DHCP DISCOVER");
      t.diagnostic(describeFrame(frame));
      assertDiscover(frame);
      assert.deepEqual(backend.problems, []);
    }
  });
}

test(
  "the boot ROM as a legacy driver, with headers of ten bytes, asks just so",
  { skip: skipRom },
  async (t) => {
    const backend = await serveNet(t, { mergeable: false, withoutVirtio: VirtioFeature.Version1 });
    await using _machine = await bootFromNetwork(backend.socketPath, {
      properties: "disable-modern=on,disable-legacy=off",
    });
    assertDiscover(await backend.frame(isDiscover, "DHCP DISCOVER"));
    assert.deepEqual(backend.problems, []);
  },
);

interface FrontendCase {
  readonly name: string;
  readonly deviceOptions: string;
  readonly mergeable?: boolean;
  readonly queuePairs?: number;
}

// Several pairs need the control queue, which DPDK keeps for itself.
const frontendCases: readonly FrontendCase[] = [
  { name: "split rings", deviceOptions: "in_order=0,mrg_rxbuf=1" },
  { name: "split rings in order", deviceOptions: "in_order=1,mrg_rxbuf=1" },
  {
    name: "split rings in order, no mergeable buffers",
    deviceOptions: "in_order=1,mrg_rxbuf=0",
    mergeable: false,
  },
  {
    name: "split rings, 4 pairs",
    deviceOptions: "in_order=0,mrg_rxbuf=1,cq=1",
    queuePairs: 4,
  },
  { name: "packed rings", deviceOptions: "packed_vq=1,in_order=0,mrg_rxbuf=1" },
  { name: "packed rings in order", deviceOptions: "packed_vq=1,in_order=1,mrg_rxbuf=1" },
  {
    name: "packed rings, no mergeable buffers",
    deviceOptions: "packed_vq=1,in_order=0,mrg_rxbuf=0",
    mergeable: false,
  },
  {
    name: "packed rings in order, 4 pairs",
    deviceOptions: "packed_vq=1,in_order=1,mrg_rxbuf=1,cq=1",
    queuePairs: 4,
  },
];

for (const { name, deviceOptions, mergeable = true, queuePairs = 1 } of frontendCases) {
  test(
    `testpmd as front-end, ${name}: as many frames on both sides`,
    { skip: skipTestpmd },
    async (t) => {
      const sessions: BackendSession[] = [];
      const pairsSeen = new Set<number>();
      // A burst that would overtake testpmd's buffers is what the backlog is for.
      const { net, frames, problems, socketPath } = await serveNet(t, {
        mergeable,
        queuePairs,
        backlogFrames: 1024,
        onSession: (session) => sessions.push(session),
        onFrame: (_frame, pair) => pairsSeen.add(pair),
      });
      await using testpmd = await Testpmd.start({
        socketPath,
        role: "frontend",
        queuePairs,
        deviceOptions: `queue_size=256,${deviceOptions}`,
        applicationArguments: ["--forward-mode=rxonly", "--no-flush-rx"],
      });
      const { features } = sessions.at(-1)?.negotiation ?? { features: 0n };
      const has = (bit: bigint): boolean => (features & bit) !== 0n;
      assert.deepEqual(
        [has(VirtioFeature.RingPacked), has(VirtioFeature.InOrder), has(NetFeature.MrgRxbuf)],
        [deviceOptions.includes("packed_vq=1"), deviceOptions.includes("in_order=1"), mergeable],
      );
      await testpmd.command("set fwd txonly");
      await testpmd.command("set txpkts 96");
      await testpmd.command("set burst 32");
      await testpmd.command("start");
      await until(() => net.counters.txFrames >= OUT, "its frames");
      await testpmd.command("stop");
      const sent = await portStatistics(testpmd);
      await until(() => net.counters.txFrames === sent.txFrames, "all frames that testpmd counts");
      assert.deepEqual(
        [net.counters.txBytes, net.counters.txFrames * 96],
        [sent.txBytes, sent.txBytes],
      );
      for (const frame of [frames[0], frames[OUT / 2], frames.at(-1)]) {
        assert.match(describeFrame(frame ?? new Uint8Array()), TESTPMD_FRAME);
      }

      await testpmd.command("clear port stats all");
      await testpmd.command("set fwd mac");
      await testpmd.command("set promisc all on");
      frames.length = 0;
      await testpmd.command("start");
      const sample = Uint8Array.from({ length: 500 }, (_, i) => i & 0xff);
      // Few enough at a time for its transmit ring: what finds no room there is dropped by testpmd.
      for (let i = 0; i < RETURNED; i += 1) {
        sample[499] = i & 0xff;
        sample[498] = i >> 8;
        assert.equal(net.send(sample, i % queuePairs), true);
        if (i % 100 === 99) await until(() => frames.length === i + 1, "what testpmd forwards");
      }
      await testpmd.command("stop");
      const { rxFrames, rxBytes, txFrames } = await portStatistics(testpmd);
      assert.deepEqual([rxFrames, rxBytes, txFrames], [RETURNED, 500 * RETURNED, RETURNED]);
      // It changes the two addresses and nothing else. Pairs may overtake each other.
      const order = frames.map((frame) => (frame[498] ?? 0) * 256 + (frame[499] ?? 0));
      assert.deepEqual(
        order.toSorted((a, b) => a - b),
        Array.from({ length: RETURNED }, (_, i) => i),
      );
      if (queuePairs === 1)
        assert.deepEqual(
          order,
          order.toSorted((a, b) => a - b),
        );
      for (const frame of frames) {
        assert.equal(Buffer.compare(frame.subarray(12, 498), sample.subarray(12, 498)), 0);
      }
      assert.equal(pairsSeen.size, queuePairs);
      assert.deepEqual(problems, []);
      t.diagnostic(`${sent.txFrames} frames out, ${RETURNED} there and back`);
    },
  );
}
