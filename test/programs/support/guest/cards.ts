import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { BackendSession } from "../../../../src/endpoints/backend/index.ts";
import { VirtioFeature } from "../../../../src/core/protocol/index.ts";
import {
  decodeEthernet,
  decodeIpv4,
  describeFrame,
  IpProtocol,
  NetFeature,
  NetResponder,
} from "../../../../src/endpoints/devices/net/index.ts";
import { withCapabilities } from "../../../support/capability.ts";
import { arpReply, cardArguments, MAC, serveNet } from "../net.ts";
import { ringKinds } from "./kinds.ts";
import type { Part } from "./machine.ts";

const OUR_MAC = "52:54:00:00:00:01";
const PINGS = 3;
const MODULES = ["virtio_net"];
/** Other cards have the same addresses: a card is down again when its part is done. */
export const CARD_DOWN = "ip link set $card down; ip addr flush dev $card";

/** Pings of the guest whose data is ours, by what came from it. */
function pingsTo(frames: readonly Uint8Array[], address: string | undefined, dataBytes: number) {
  const pings = frames
    .map((frame) => decodeIpv4(decodeEthernet(frame)?.payload ?? frame))
    .filter((packet) => packet?.protocol === IpProtocol.Icmp)
    .filter((packet) => address === undefined || packet?.destination === address);
  for (const ping of pings) {
    assert.equal(ping?.payload.length, 8 + dataBytes);
    // busybox keeps the time in the first four bytes of the data.
    assert.ok(ping.payload.subarray(12).every((byte) => byte === 0xa5));
  }
  return pings;
}

/** A card for each kind of ring. */
export async function cardMatrix(t: TestContext, name: string): Promise<Part> {
  const backends = await Promise.all(
    ringKinds.map(async ({ queues }, index) => {
      const responder = new NetResponder({ address: `10.${index}.0.1/16` });
      const sessions: BackendSession[] = [];
      const backend = await serveNet(t, {
        queuePairs: queues,
        onSession: (session) => sessions.push(session),
        onFrame: (frame, pair) => {
          for (const reply of responder.answer(frame)) backend.net.send(reply, pair);
        },
      });
      return { ...backend, sessions };
    }),
  );
  const deviceArguments = ringKinds.flatMap(({ packed, queues, eventIdx, indirect }, index) => [
    "-chardev",
    `socket,id=char${index},path=${backends[index]?.socketPath}`,
    "-netdev",
    `vhost-user,id=net${index},chardev=char${index},queues=${queues}`,
    "-device",
    // With MSI-X and a control queue, QEMU 7.2 without KVM dies of SIGSEGV.
    `virtio-net-pci,netdev=net${index},mac=52:54:00:ac:00:${index.toString(16).padStart(2, "0")},romfile=,vectors=0,` +
      `mq=${queues > 1 ? "on" : "off"},packed=${packed},event_idx=${eventIdx},indirect_desc=${indirect}`,
  ]);
  return {
    name,
    modules: MODULES,
    deviceArguments,
    script: `
      n=0
      for at in $PCI; do
        card=$(card $at)
        ip addr add 10.$n.0.2/16 dev $card
        ip link set $card up
        echo "$n $(ls -d /sys/class/net/$card/queues/tx-* | wc -l) $(ping -c ${PINGS} -i 0.1 -W 5 -s 1400 -p a5 10.$n.0.1 | grep -o '[0-9]* packets received')"
        ${CARD_DOWN}
        n=$((n + 1))
      done`,
    verify: (_t, { output }) => {
      assert.deepEqual(
        output.trim().split(/\r?\n/),
        ringKinds.map(({ queues }, i) => `${i} ${queues} ${PINGS} packets received`),
      );
      for (const [i, { packed, queues, eventIdx, indirect }] of ringKinds.entries()) {
        const { sessions = [], frames = [], problems } = backends[i] ?? {};
        const features = sessions[0]?.negotiation.features ?? 0n;
        const has = (feature: bigint): boolean => (features & feature) !== 0n;
        assert.deepEqual(
          [
            VirtioFeature.RingPacked,
            NetFeature.Mq,
            VirtioFeature.EventIdx,
            VirtioFeature.IndirectDesc,
          ].map(has),
          [packed === "on", queues > 1, eventIdx === "on", indirect === "on"],
        );
        assert.equal(pingsTo(frames, undefined, 1400).length, PINGS);
        assert.deepEqual(problems, []);
      }
    },
  };
}

/** A card whose frames are compared, and counted on both sides. */
export async function countedCard(t: TestContext, name: string): Promise<Part> {
  // Answers who has 10.9.0.1, so that the guest's ping gets as far as its ICMP packets.
  const backend = await serveNet(t, {
    onFrame: (frame) => {
      const reply = arpReply(frame, "10.9.0.1", OUR_MAC);
      if (reply !== undefined) assert.equal(backend.net.send(reply), true);
    },
  });
  const { net, frames, problems, socketPath } = backend;
  return {
    name,
    modules: MODULES,
    // With MSI-X and a control queue, QEMU 7.2 without KVM dies of SIGSEGV as soon as the driver runs.
    deviceArguments: cardArguments(socketPath, { properties: "romfile=,vectors=0" }),
    script: `
      card=$(card $PCI)
      cat /sys/class/net/$card/address
      ip link set $card up
      ip addr add 10.9.0.2/24 dev $card
      ping -c 3 -i 0.2 -W 1 -s 200 -p a5 10.9.0.1 > /dev/null
      ip neigh show 10.9.0.1 | cut -d ' ' -f 5,6
      ${CARD_DOWN}
      cat /sys/class/net/$card/statistics/tx_packets /sys/class/net/$card/statistics/tx_bytes
      cat /sys/class/net/$card/statistics/rx_packets /sys/class/net/$card/statistics/rx_bytes`,
    verify: (own, { output, exitCode }) => {
      for (const frame of frames) own.diagnostic(describeFrame(frame));
      const [mac, neighbour, txPackets, txBytes, rxPackets, rxBytes] = output.split("\n");
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
      const pings = pingsTo(frames, "10.9.0.1", 200);
      assert.equal(pings.length, 3);
      for (const [index, ping] of pings.entries())
        assert.equal(ping?.payload[7], index, "the sequence number");
      assert.deepEqual(problems, []);
      assert.equal(exitCode, 0);
    },
  };
}

/** A card of two pairs, both of which the guest sends on. */
export async function cardOfTwoPairs(t: TestContext, name: string): Promise<Part> {
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
  return {
    name,
    modules: MODULES,
    deviceArguments: cardArguments(backend.socketPath, { queuePairs: 2, properties }),
    // By the first and by the last processor.
    script: `
      card=$(card $PCI)
      ip link set $card up
      ip addr add 10.9.0.2/24 dev $card
      for cpu in 1 8 1 8; do
        taskset $cpu ping -c 1 -W 1 10.9.0.1 > /dev/null
        ip neigh flush dev $card > /dev/null 2>&1
      done
      ls /sys/class/net/$card/queues
      ${CARD_DOWN}`,
    verify: (own, { output }) => {
      own.diagnostic(`frames by pair: ${[...pairs].join("; ")}; ${output}`);
      assert.deepEqual(output.trim().split(/\s+/), ["rx-0", "rx-1", "tx-0", "tx-1"]);
      const { features } = sessions.at(-1)?.negotiation ?? { features: 0n };
      assert.notEqual(features & NetFeature.Mq, 0n);
      assert.deepEqual(
        [...pairs.keys()].toSorted((a, b) => a - b),
        [0, 1],
      );
      assert.ok(backend.net.counters.rxFrames > 0);
      assert.deepEqual(backend.problems, []);
    },
  };
}

/** A card whose MTU its front-end was given. */
export async function cardWithMtu(t: TestContext, name: string): Promise<Part> {
  const { net, socketPath, problems } = await serveNet(t, { mtu: true });
  let mtuSet: number | undefined;
  withCapabilities(net, {
    network: { ...net.capabilities.network, setMtu: (mtu) => (mtuSet = mtu) },
  });
  return {
    name,
    modules: MODULES,
    deviceArguments: cardArguments(socketPath, {
      properties: "romfile=,vectors=0,host_mtu=1400",
    }),
    script: `
      card=$(card $PCI)
      ip link set $card up
      cat /sys/class/net/$card/mtu
      ${CARD_DOWN}`,
    verify: (_t, { output, console }) => {
      assert.equal(output, "1400\n", console);
      assert.equal(mtuSet, 1400);
      assert.deepEqual(problems, []);
    },
  };
}
