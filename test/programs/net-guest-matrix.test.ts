import assert from "node:assert/strict";
import { test } from "node:test";
import type { BackendSession } from "../../src/endpoints/backend/index.ts";
import {
  decodeEthernet,
  decodeIpv4,
  IpProtocol,
  NetFeature,
  NetResponder,
} from "../../src/endpoints/devices/net/index.ts";
import { bootLinux } from "../../src/lab/programs/index.ts";
import { VirtioFeature } from "../../src/core/protocol/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { needsGuest } from "./support/index.ts";
import { serveNet } from "./support/net.ts";

guardLeaks();

const ON_OFF = ["on", "off"] as const;
const PINGS = 3;

/** Every way that a guest's rings can be, each a card of one machine. */
const cards = ON_OFF.flatMap((packed) =>
  [1, 4].flatMap((queuePairs) =>
    ON_OFF.flatMap((eventIdx) =>
      ON_OFF.map((indirect) => ({ packed, queuePairs, eventIdx, indirect })),
    ),
  ),
);

test(
  "a Linux guest with 16 cards, one for each kind of ring: pings are answered, contents and counts are equal",
  { skip: needsGuest() },
  async (t) => {
    const backends = await Promise.all(
      cards.map(async ({ queuePairs }, index) => {
        const responder = new NetResponder({ address: `10.${index}.0.1/16` });
        const sessions: BackendSession[] = [];
        const backend = await serveNet(t, {
          queuePairs,
          onSession: (session) => sessions.push(session),
          onFrame: (frame, pair) => {
            const reply = responder.answer(frame);
            if (reply !== undefined) backend.net.send(reply, pair);
          },
        });
        return { ...backend, sessions };
      }),
    );
    const deviceArguments = cards.flatMap(({ packed, queuePairs, eventIdx, indirect }, index) => [
      "-chardev",
      `socket,id=char${index},path=${backends[index]?.socketPath}`,
      "-netdev",
      `vhost-user,id=net${index},chardev=char${index},queues=${queuePairs}`,
      "-device",
      // With MSI-X and a control queue, QEMU 7.2 without KVM dies of SIGSEGV.
      `virtio-net-pci,netdev=net${index},mac=52:54:00:ab:00:${index.toString(16).padStart(2, "0")},romfile=,vectors=0,` +
        `mq=${queuePairs > 1 ? "on" : "off"},packed=${packed},event_idx=${eventIdx},indirect_desc=${indirect}`,
    ]);
    const result = await bootLinux({
      modules: ["virtio_pci", "virtio_net"],
      cpus: 4,
      deviceArguments,
      script: `
        for card in /sys/class/net/eth*; do
          n=$(printf '%d' "0x$(cut -d : -f 6 $card/address)")
          name=\${card##*/}
          ip addr add 10.$n.0.2/16 dev $name
          ip link set $name up
          echo "$n $(ls -d $card/queues/tx-* | wc -l) $(ping -c ${PINGS} -i 0.1 -W 5 -s 1400 -p a5 10.$n.0.1 | grep -o '[0-9]* packets received')"
        done`,
    });
    t.diagnostic(`the guest took ${Math.round(result.durationMs)} ms`);
    const lines = result.output.trim().split(/\r?\n/);
    const byCard = lines.toSorted((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
    assert.deepEqual(
      byCard,
      cards.map(({ queuePairs }, i) => `${i} ${queuePairs} ${PINGS} packets received`),
    );
    for (const [i, { packed, queuePairs, eventIdx, indirect }] of cards.entries()) {
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
        [packed === "on", queuePairs > 1, eventIdx === "on", indirect === "on"],
      );
      const pings = frames
        .map((frame) => decodeIpv4(decodeEthernet(frame)?.payload ?? frame))
        .filter((packet) => packet?.protocol === IpProtocol.Icmp);
      assert.equal(pings.length, PINGS);
      // busybox keeps the time in the first four bytes of the data.
      for (const ping of pings) {
        assert.equal(ping?.payload.length, 1408);
        assert.ok(ping.payload.subarray(12).every((byte) => byte === 0xa5));
      }
      assert.deepEqual(problems, []);
    }
  },
);
