import { EventFd } from "../../../../core/os/index.ts";
import { VirtioFeature } from "../../../../core/protocol/index.ts";
import { BlockFeature } from "../../../../endpoints/devices/block/layout.ts";
import { readConfig, writeConfig } from "../../../conformance/kit/back-end/config-space.ts";
import { descriptorsOf } from "../../../conformance/kit/back-end/descriptors.ts";
import { bringUpByHand } from "../../../conformance/kit/back-end/hand-split.ts";
import type { Check } from "../../../conformance/kit/check.ts";
import { needing } from "./common.ts";

/** VIRTIO 5.2.4: the offset of the field writeback. */
const WCE = 32;

const SEVERAL = { device: ["block"], queues: 2, request: true } as const;

/** Checks of general rules that only a disk can show: its queues are equal, its fields writable. */
export const blockRings: readonly Check[] = [
  {
    id: "split/7",
    title: "all that a device writes may be in one descriptor",
    strength: "MUST",
    section: "VIRTIO 2.7.4.1",
    observes: ["data"],
    needs: { device: ["block"], virtio: VirtioFeature.Version1 },
    async run(t) {
      const { hand, memory } = await bringUpByHand(t);
      const { readable, writable, content } = t.kit.request(memory);
      const lengths = writable.map(({ bytes }) => bytes.length);
      const all = memory.data(lengths.reduce((sum, length) => sum + length, 0));
      hand.offer(hand.chain(descriptorsOf({ readable, writable: [all] })));
      const { length } = await hand.expectUsed("a read whose data and status are one");
      t.expect("bytes written", length, all.bytes.length);
      t.expect("status", all.bytes.at(-1), 0);
      if (content === undefined) return;
      // What the request would have read into a descriptor of its own.
      const plain = t.kit.request(memory);
      const head = hand.chain(descriptorsOf(plain));
      t.expect("the answer in two descriptors", await hand.attempt(head, plain), undefined);
      t.expectData("the data", all.bytes.subarray(0, -1), plain.content?.bytes ?? content.bytes);
    },
  },
  {
    id: "stop/11",
    title: "a ring goes on while another one is stopped",
    strength: "MUST",
    section: "Ring states",
    observes: ["data"],
    tags: ["migration"],
    needs: SEVERAL,
    async run(t) {
      const { session, memory, ring, request } = await t.bringUp();
      const other = t.ring(session, memory, 1);
      await other.start();
      if ((session.virtio & VirtioFeature.ProtocolFeatures) !== 0n) await other.enable();
      await request();
      await ring.stop();
      await t.request(other, memory);
    },
  },
  {
    id: "vring/28",
    title: "a ring works while one before it was never set up",
    strength: "MUST",
    section: "Multiple queue support",
    observes: ["data"],
    needs: SEVERAL,
    async run(t) {
      const session = await t.negotiatedSession();
      const memory = t.createMemory();
      await t.share(session, memory);
      const ring = t.ring(session, memory, 1);
      await ring.start();
      if ((session.virtio & VirtioFeature.ProtocolFeatures) !== 0n) await ring.enable();
      await t.request(ring, memory);
    },
  },
  {
    id: "mq/7",
    title: "two rings may share a call descriptor",
    strength: "MUST",
    section: "VHOST_USER_SET_VRING_CALL",
    observes: ["call", "data"],
    needs: SEVERAL,
    async run(t) {
      const session = await t.negotiatedSession();
      const memory = t.createMemory();
      await t.share(session, memory);
      const call = t.closing(EventFd.create());
      for (const index of [0, 1]) {
        const ring = t.ring(session, memory, index);
        ring.call = call;
        await ring.start();
        if ((session.virtio & VirtioFeature.ProtocolFeatures) !== 0n) await ring.enable();
        call.drain();
        await t.request(ring, memory);
        t.expect(`a call of ring ${index}`, await ring.called(), true);
      }
    },
  },
  {
    id: "config/10",
    title: "a field that the driver may write takes what is written",
    strength: "MUST",
    section: "VHOST_USER_SET_CONFIG",
    observes: ["reply"],
    needs: needing(BlockFeature.ConfigWce),
    async run(t) {
      const { ConfigWce, Flush } = BlockFeature;
      const session = await t.negotiatedSession(
        t.usualVirtio | ConfigWce | (Flush & t.facts.virtio),
      );
      // From offset 0: that other offsets count is for other checks.
      const look = async (): Promise<number> =>
        (await readConfig(t, session, 0, WCE + 1))[WCE] ?? 0;
      const before = await look();
      for (const value of [before ^ 1, before]) {
        const { ack, alive } = await writeConfig(session, WCE, Uint8Array.of(value));
        t.expect("SET_CONFIG of wce", [ack ?? 0n, alive], [0n, true]);
        t.expect("wce afterwards", await look(), value);
      }
    },
  },
];
