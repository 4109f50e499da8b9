import { counted } from "../../../core/base/index.ts";
import { EventFd } from "../../../core/os/index.ts";
import { FrontendRequest, ProtocolFeature, VirtioFeature } from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import type { SuiteMemory } from "../kit/back-end/memory.ts";
import type { Ring, RingOptions } from "../kit/back-end/ring.ts";

const { GetQueueNum, SetVringKick } = FrontendRequest;
const MULTIPLE = "Multiple queue support";
const MQ = { protocol: ProtocolFeature.Mq } as const;
const SEVERAL = { queues: 2, request: true } as const;
const MAX_RINGS = 64;

/** Starts all rings of a device, and finds those that take requests. */
async function upAll(
  t: CheckContext,
  optionsOf: (index: number) => RingOptions = () => ({}),
): Promise<{ memory: SuiteMemory; takers: readonly Ring[] }> {
  const mq = t.facts.virtio & (t.kit.multiqueue ?? 0n);
  const session = await t.negotiatedSession(t.usualVirtio | mq);
  const memory = t.createMemory({ size: 4 << 20 });
  await t.share(session, memory);
  const indices = t.kit.requestRings(t.facts.queueNum).slice(0, MAX_RINGS);
  const count = Math.max(...indices) + 1;
  const rings = Array.from({ length: count }, (_, i) => t.ring(session, memory, i, optionsOf(i)));
  for (const ring of rings) await ring.start();
  const gate = (session.virtio & VirtioFeature.ProtocolFeatures) !== 0n;
  if (gate) for (const ring of rings) await ring.enable();
  return { memory, takers: rings.filter(({ index }) => indices.includes(index)) };
}

/** Returns the rings that complete a request. mq/2 requires it of all of them. */
async function served(t: CheckContext): Promise<number[]> {
  const { memory, takers } = await upAll(t);
  for (const ring of takers) {
    const { readable, writable } = t.kit.request(memory);
    ring.push(readable, writable);
  }
  const done = await Promise.all(takers.map(async (ring) => ring.completion()));
  return takers.flatMap(({ index }, i) => (done[i] ? [index] : []));
}

export const mq: readonly Check[] = [
  {
    id: "mq/1",
    title: "GET_QUEUE_NUM returns the same positive number each time",
    strength: "MUST",
    section: "VHOST_USER_GET_QUEUE_NUM",
    needs: MQ,
    async run(t) {
      const session = await t.negotiatedSession();
      const count = await session.call(GetQueueNum);
      t.expectThat("queues", count >= 1n, "at least 1", count);
      const again = await session.call(GetQueueNum);
      if (again !== count) t.warn("queues, asked again", String(count), again);
      t.info(counted(count, "queue"));
    },
  },
  {
    id: "mq/2",
    title: "every ring that is advertised works",
    strength: "MUST",
    section: MULTIPLE,
    needs: { ...MQ, request: true },
    async run(t) {
      const { memory, takers } = await upAll(t);
      for (const ring of takers) await t.request(ring, memory);
      t.info(`${counted(takers.length, "ring")} that take requests`);
    },
  },
  {
    id: "mq/4",
    title: "rings may have different sizes",
    strength: "MUST",
    section: MULTIPLE,
    needs: SEVERAL,
    async run(t) {
      const usable = await served(t);
      if (usable.length < 2) t.skip("fewer than two rings serve requests");
      t.closeSessions();
      const sizes = [8, 64, 256];
      const { memory, takers } = await upAll(t, (index) => ({
        size: sizes[usable.indexOf(index) % sizes.length] ?? 8,
      }));
      const forget = memory.mark();
      // A wrong size has an effect only after the first wrap.
      for (const ring of takers.filter(({ index }) => usable.includes(index)).slice(0, 4)) {
        for (let i = 0; i <= ring.size; i += 1) {
          await t.request(ring, memory);
          forget();
        }
      }
    },
  },
  {
    id: "mq/6",
    title: "a ring beyond GET_QUEUE_NUM is refused",
    strength: "SHOULD",
    section: "VHOST_USER_GET_QUEUE_NUM",
    needs: { ...MQ, request: true },
    hostile: true,
    async run(t) {
      const index = Math.max(...t.kit.requestRings(t.facts.queueNum)) + 1;
      if (index > 255) t.skip("there are as many rings as an index can name");
      const session = await t.negotiatedSession();
      const fds = [t.closing(EventFd.create()).descriptor];
      const attempt = await session.attempt(SetVringKick, { index, noFd: false }, { fds });
      t.reject(`SET_VRING_KICK for ring ${index}`, attempt, { served: "WARN" });
    },
  },
];
