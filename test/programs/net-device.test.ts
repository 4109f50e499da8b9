import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import {
  decodeEthernet,
  decodeIpv4,
  describeFrame,
  DhcpType,
  dhcpOf,
  IpProtocol,
  NetFeature,
} from "../../src/endpoints/devices/net/index.ts";
import type { BackendSession } from "../../src/endpoints/backend/index.ts";
import { bootLinux, Testpmd } from "../../src/lab/programs/index.ts";
import { VirtioFeature } from "../../src/core/protocol/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { needsBootRom, needsGuest, needsProgram, temporaryDirectory } from "./support/index.ts";
import {
  arpReply,
  bootFromNetwork,
  cardArguments,
  connectNet,
  MAC,
  portStatistics,
  serveNet,
  until,
} from "./support/net.ts";

guardLeaks();

const skipRom = needsBootRom();
const skipGuest = needsGuest();
const skipTestpmd = needsProgram("dpdk-testpmd");

const OUR_MAC = "52:54:00:00:00:01";
/** What txonly sends: UDP from 198.18.0.1 to 198.18.0.2. */
const TESTPMD_FRAME = /UDP 198\.18\.0\.1:9 > 198\.18\.0\.2:9, 96 bytes$/;

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

test(
  "a Linux guest's frames arrive with equal contents, and ours arrive there",
  { skip: skipGuest },
  async (t) => {
    // Answers who has 10.9.0.1, so that the guest's ping gets as far as its ICMP packets.
    const backend = await serveNet(t, {
      onFrame: (frame) => {
        const reply = arpReply(frame, "10.9.0.1", OUR_MAC);
        if (reply !== undefined) assert.equal(backend.net.send(reply), true);
      },
    });
    const { net, frames, problems, socketPath } = backend;
    const result = await bootLinux({
      modules: ["virtio_pci", "virtio_net"],
      // With MSI-X and a control queue, QEMU 7.2 without KVM dies of SIGSEGV as soon as the driver runs.
      deviceArguments: cardArguments(socketPath, { properties: "romfile=,vectors=0" }),
      script: `
        cat /sys/class/net/eth0/address
        ip link set eth0 up
        ip addr add 10.9.0.2/24 dev eth0
        ping -c 3 -i 0.2 -W 1 -s 200 -p a5 10.9.0.1 > /dev/null
        ip neigh show 10.9.0.1 | cut -d ' ' -f 5,6
        ip link set eth0 down
        cat /sys/class/net/eth0/statistics/tx_packets /sys/class/net/eth0/statistics/tx_bytes
        cat /sys/class/net/eth0/statistics/rx_packets /sys/class/net/eth0/statistics/rx_bytes`,
    });
    t.diagnostic(`the guest took ${Math.round(result.durationMs)} ms, ${frames.length} frames`);
    for (const frame of frames) t.diagnostic(describeFrame(frame));
    const [mac, neighbour, txPackets, txBytes, rxPackets, rxBytes] = result.output.split("\n");
    assert.equal(mac, MAC);
    assert.ok(neighbour?.startsWith(OUR_MAC), neighbour);
    // Frames that the guest sent after it looked do not count.
    const counted = frames.slice(0, Number(txPackets));
    assert.equal(counted.length, Number(txPackets));
    assert.equal(
      counted.reduce((sum, frame) => sum + frame.length, 0),
      Number(txBytes),
    );
    assert.deepEqual(
      [Number(rxPackets), Number(rxBytes)],
      [net.counters.rxFrames, net.counters.rxBytes],
    );
    assert.ok(net.counters.rxFrames > 0);
    const pings = frames
      .map((frame) => decodeIpv4(decodeEthernet(frame)?.payload ?? frame))
      .filter(
        (packet) => packet?.protocol === IpProtocol.Icmp && packet.destination === "10.9.0.1",
      );
    assert.equal(pings.length, 3);
    for (const [index, ping] of pings.entries()) {
      assert.equal(ping?.payload.length, 208);
      assert.equal(ping.payload[7], index, "the sequence number");
      // busybox keeps the time in the first four bytes of the data.
      assert.ok(ping.payload.subarray(12).every((byte) => byte === 0xa5));
    }
    assert.deepEqual(problems, []);
    assert.equal(result.exitCode, 0);
  },
);

test(
  "a Linux guest with two processors sends on both pairs of a card, as configured",
  { skip: skipGuest },
  async (t) => {
    const sessions: BackendSession[] = [];
    const pairs = new Map<number, number>();
    const backend = await serveNet(t, {
      queuePairs: 2,
      onSession: (session) => sessions.push(session),
      onFrame: (frame, pair) => {
        pairs.set(pair, (pairs.get(pair) ?? 0) + 1);
        const reply = arpReply(frame, "10.9.0.1", OUR_MAC);
        // On the pair that it did not come on: the guest takes frames from either.
        if (reply !== undefined) backend.net.send(reply, 1 - pair);
      },
    });
    const properties = "romfile=,mq=on,vectors=0";
    const result = await bootLinux({
      cpus: 2,
      modules: ["virtio_pci", "virtio_net"],
      deviceArguments: cardArguments(backend.socketPath, { queuePairs: 2, properties }),
      script: `
        ip link set eth0 up
        ip addr add 10.9.0.2/24 dev eth0
        for cpu in 1 2 1 2; do
          taskset $cpu ping -c 2 -i 0.2 -W 1 10.9.0.1 > /dev/null
          ip neigh flush dev eth0 > /dev/null 2>&1
        done
        ls /sys/class/net/eth0/queues`,
    });
    t.diagnostic(`frames by pair: ${[...pairs].join("; ")}; ${result.output}`);
    assert.deepEqual(result.output.trim().split(/\s+/), ["rx-0", "rx-1", "tx-0", "tx-1"]);
    const { features } = sessions.at(-1)?.negotiation ?? { features: 0n };
    assert.notEqual(features & NetFeature.Mq, 0n);
    assert.deepEqual(
      [...pairs.keys()].toSorted((a, b) => a - b),
      [0, 1],
    );
    assert.ok(backend.net.counters.rxFrames > 0);
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
      await until(() => net.counters.txFrames >= 20_000, "20,000 frames");
      await testpmd.command("stop");
      const sent = await portStatistics(testpmd);
      await until(() => net.counters.txFrames === sent.txFrames, "all frames that testpmd counts");
      assert.deepEqual(
        [net.counters.txBytes, net.counters.txFrames * 96],
        [sent.txBytes, sent.txBytes],
      );
      for (const frame of [frames[0], frames[9999], frames.at(-1)]) {
        assert.match(describeFrame(frame ?? new Uint8Array()), TESTPMD_FRAME);
      }

      await testpmd.command("clear port stats all");
      await testpmd.command("set fwd mac");
      await testpmd.command("set promisc all on");
      frames.length = 0;
      await testpmd.command("start");
      const sample = Uint8Array.from({ length: 500 }, (_, i) => i & 0xff);
      // Few enough at a time for its transmit ring: what finds no room there is dropped by testpmd.
      for (let i = 0; i < 1000; i += 1) {
        sample[499] = i & 0xff;
        sample[498] = i >> 8;
        assert.equal(net.send(sample, i % queuePairs), true);
        if (i % 100 === 99) await until(() => frames.length === i + 1, "what testpmd forwards");
      }
      await testpmd.command("stop");
      const { rxFrames, rxBytes, txFrames } = await portStatistics(testpmd);
      assert.deepEqual([rxFrames, rxBytes, txFrames], [1000, 500_000, 1000]);
      // It changes the two addresses and nothing else. Pairs may overtake each other.
      const order = frames.map((frame) => (frame[498] ?? 0) * 256 + (frame[499] ?? 0));
      assert.deepEqual(
        order.toSorted((a, b) => a - b),
        Array.from({ length: 1000 }, (_, i) => i),
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
      t.diagnostic(`${sent.txFrames} frames out, 1000 there and back`);
    },
  );
}
