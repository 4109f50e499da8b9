import { counted } from "../../../core/base/index.ts";
import { VirtioFeature } from "../../../core/protocol/index.ts";
import { EventFlag } from "../../../core/virtqueue/index.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import { HandPacked } from "../kit/back-end/hand-packed.ts";
import type { KitRequest } from "../kit/back-end/kit.ts";
import type { RunningDevice } from "../kit/back-end/running-device.ts";
import { mixedSizes } from "../kit/back-end/load.ts";
import type { RawDescriptor } from "../../wire/index.ts";
import { cutInto, descriptorsOf } from "../kit/back-end/descriptors.ts";

const { EventIdx, RingPacked } = VirtioFeature;
const NEEDS = { request: true, virtio: RingPacked } as const;
/** Lengths of a chain and of the next one. */
const IDS = [9, 4] as const;
const EVENT_ROUNDS = 500;
/** Chains as long as the ring. */
const WHOLE_ROUNDS = 16;

async function packedByHand(t: CheckContext, size = 16, virtio = 0n): Promise<RunningDevice> {
  const session = await t.negotiatedSession(t.usualVirtio | RingPacked | virtio);
  const isPacked = (session.virtio & RingPacked) !== 0n;
  t.expectThat("VIRTIO_F_RING_PACKED", isPacked, "offered in every session", "not offered");
  return t.bringUp({ session, ring: { size } });
}

/** Brings a device up with a packed ring that the check drives itself. */
async function byHand(t: CheckContext, virtio = 0n, size = 16) {
  const device = await packedByHand(t, size, virtio);
  return { ...device, hand: new HandPacked(t, device.ring) };
}

/**
 * The length of a chain that is as long as the ring.
 *
 * @throws {CaseSkip} the device takes no chain of that length
 */
async function wholeRing(t: CheckContext, { session, ring }: RunningDevice): Promise<number> {
  const most = await t.kit.maxDescriptors?.(session, t.facts.virtio);
  if (most !== undefined && most < ring.size)
    t.skip(`the device takes ${counted(most, "descriptor")} in a chain, fewer than the ring has`);
  return ring.size;
}

/** Makes a chain available, which must be used at its own position, with its id and no error. */
async function expectServed(
  t: CheckContext,
  { hand, ring }: Awaited<ReturnType<typeof byHand>>,
  id: number,
  {
    request,
    descriptors,
  }: { readonly request: KitRequest; readonly descriptors: readonly RawDescriptor[] },
): Promise<void> {
  const at = hand.chain(descriptors, id);
  ring.kick.signal();
  const used = await hand.expectUsedAt(at);
  const where = `position ${at & 0x7fff}`;
  if (used === undefined) t.fail(where, "a used descriptor", "none within the time");
  t.expect(`id of the used descriptor at ${where}`, used.id, id);
  t.expect("the answer", request.wrong(used.length) ?? "correct", "correct");
}

export const packed: readonly Check[] = [
  {
    id: "packed/1",
    title: "a used descriptor has the chain's position, id, length and flags",
    strength: "MUST",
    section: "VIRTIO 2.8",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const device = await byHand(t);
      const request = t.kit.request(device.memory);
      await expectServed(t, device, IDS[0], { request, descriptors: descriptorsOf(request) });
    },
  },
  {
    id: "packed/2",
    title: "1000 requests are served in a ring of 7, over many wraps of both counters",
    strength: "MUST",
    section: "VIRTIO 2.8.1, 2.8.10.1",
    observes: ["data"],
    slow: 2,
    needs: NEEDS,
    async run(t) {
      const { request, memory } = await packedByHand(t, 7);
      for (let i = 0; i < 1000; i += 1) {
        const release = memory.mark();
        await request();
        release();
      }
    },
  },
  {
    id: "packed/3",
    title: "a chain has one used descriptor, and the next one skips the length of the chain",
    strength: "MUST",
    section: "VIRTIO 2.8.6",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const device = await byHand(t);
      for (const id of IDS) {
        const request = t.kit.request(device.memory, 3);
        await expectServed(t, device, id, {
          request,
          descriptors: cutInto(descriptorsOf(request), 3),
        });
      }
    },
  },
  {
    id: "packed/6",
    title: "chains are used in any order, each once",
    strength: "MUST",
    section: "VIRTIO 2.8.12",
    observes: ["data"],
    needs: NEEDS,
    run: async (t) => mixedSizes(t, t.usualVirtio | RingPacked),
  },
  {
    id: "packed/8",
    title:
      "a call comes when the device uses the descriptor that the driver named, also across a wrap",
    strength: "MUST",
    section: "VIRTIO 2.8.10",
    observes: ["call", "data"],
    needs: { ...NEEDS, virtio: RingPacked | EventIdx },
    async run(t) {
      const { hand, ring, memory } = await byHand(t, EventIdx);
      for (let i = 0; i < EVENT_ROUNDS; i += 1) {
        const release = memory.mark();
        const request = t.kit.request(memory);
        const descriptors = descriptorsOf(request);
        const count = 1 + Math.floor(t.random() * Math.floor(ring.size / descriptors.length));
        ring.call.drain();
        // Where the next chains begin is known: all are of one length.
        const named = hand.ahead(descriptors.length * Math.floor(t.random() * count));
        hand.writeDriverEvent(named, EventFlag.Descriptor);
        const places = Array.from({ length: count }, (_, id) => hand.chain(descriptors, id));
        ring.kick.signal();
        t.expectThat(`position 0x${named.toString(16)}`, await ring.called(), "a call", "none");
        for (const at of places) {
          const used = await hand.expectUsedAt(at);
          t.expectThat(`position 0x${at.toString(16)}`, used !== undefined, "used", "not used");
          // All are the same buffers: the last one to be used has filled them at the latest.
          if (used !== undefined && at === places.at(-1)) t.expectAnswer(request, used);
        }
        release();
      }
    },
  },
  {
    id: "packed/10",
    title: "GET_VRING_BASE returns both positions, the next available and the next used",
    strength: "MUST",
    section: "Vring descriptor indices for packed virtqueues",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const { ring, request } = await packedByHand(t);
      for (let i = 0; i < 7; i += 1) await request();
      t.expect("base", hex(await ring.stop()), hex(ring.queue.base));
    },
  },
  {
    id: "packed/11",
    title: "a ring continues from the positions that GET_VRING_BASE returned",
    strength: "MUST",
    section: "VHOST_USER_SET_VRING_BASE",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const { ring, request } = await packedByHand(t);
      for (let i = 0; i < 10; i += 1) {
        await request();
        await ring.restart(await ring.stop());
      }
      await request();
    },
  },
  {
    id: "packed/19",
    title: "a chain may be as long as the ring, of 7 descriptors or of 16, at any position",
    strength: "MUST",
    section: "VIRTIO 2.8.5, 2.8.10.1",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      for (const size of [7, 16]) {
        t.closeSessions();
        const device = await byHand(t, 0n, size);
        const count = await wholeRing(t, device);
        for (let i = 0; i < WHOLE_ROUNDS; i += 1) {
          const release = device.memory.mark();
          const whole = t.kit.request(device.memory, count);
          const descriptors = cutInto(descriptorsOf(whole), count);
          t.expect("descriptors of the chain", descriptors.length, size);
          await expectServed(t, device, i % size, { request: whole, descriptors });
          // The next one begins one request further on.
          const single = t.kit.request(device.memory);
          await expectServed(t, device, 0, { request: single, descriptors: descriptorsOf(single) });
          release();
        }
      }
    },
  },
];

function hex(base: number): string {
  return `0x${base.toString(16).padStart(8, "0")}`;
}
