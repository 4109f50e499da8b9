import { counted } from "../../../core/base/index.ts";
import { EventFd } from "../../../core/os/index.ts";
import { FrontendRequest, ProtocolFeature, VirtioFeature } from "../../../core/protocol/index.ts";
import { CaseFailure } from "../../engine/index.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import { queueCountOf, reliableRings } from "../kit/back-end/queue-count.ts";
import type { SuiteMemory } from "../kit/back-end/memory.ts";
import type { Ring, RingOptions } from "../kit/back-end/ring.ts";

const { GetQueueNum, SetVringKick } = FrontendRequest;
const MULTIPLE = "Multiple queue support";
const MQ = { protocol: ProtocolFeature.Mq } as const;
const SEVERAL = { queues: 2, request: true } as const;
const MAX_RINGS = 64;
/** Rings that a message names. */
const NAMED = 6;

interface StartedRings {
  readonly memory: SuiteMemory;
  readonly takers: readonly Ring[];
}

/**
 * Starts the rings up to the last of these that take requests.
 *
 * @throws {CaseFailure}
 */
async function upAll(
  t: CheckContext,
  requestRings: readonly number[],
  optionsOf: (index: number) => RingOptions = () => ({}),
): Promise<StartedRings> {
  t.closeSessions();
  const mq = t.facts.virtio & (t.kit.multiqueue ?? 0n);
  const session = await t.negotiatedSession(t.usualVirtio | mq);
  const memory = t.createMemory({ size: 4 << 20 });
  await t.share(session, memory);
  const indices = requestRings.slice(0, MAX_RINGS);
  const count = Math.max(...indices) + 1;
  const rings = Array.from({ length: count }, (_, i) => t.ring(session, memory, i, optionsOf(i)));
  for (const ring of rings) await ring.start();
  const gate = (session.virtio & VirtioFeature.ProtocolFeatures) !== 0n;
  if (gate) for (const ring of rings) await ring.enable();
  return { memory, takers: rings.filter(({ index }) => indices.includes(index)) };
}

/**
 * Returns the rings of these that complete a request as they must.
 *
 * @throws {CaseFailure}
 */
async function working(t: CheckContext, requestRings: readonly number[]): Promise<number[]> {
  const { memory, takers } = await upAll(t, requestRings);
  const sent = takers.map((ring) => {
    const request = t.kit.request(memory);
    ring.push(request.readable, request.writable);
    return { ring, request };
  });
  const done = await Promise.all(sent.map(async ({ ring }) => ring.completion()));
  return sent.flatMap(({ ring, request }, i) => {
    const { written } = done[i] ?? {};
    return written !== undefined && request.wrong(written) === undefined ? [ring.index] : [];
  });
}

/** The same; a target that refuses one of the rings serves none of them in this way. */
async function workingIfAccepted(t: CheckContext, rings: readonly number[]): Promise<number[]> {
  try {
    return await working(t, rings);
  } catch (error) {
    if (error instanceof CaseFailure) return [];
    throw error;
  }
}

/** Judges what no driver can meet, more queues than it may use, by WARN. */
async function leniently(usable: boolean, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (usable || !(error instanceof CaseFailure) || error.grade === "FAIL") throw error;
    const { message, expected = "", actual = "" } = error;
    throw new CaseFailure(message, { grade: "WARN", expected, actual });
  }
}

/** Rings in words, e.g. `rings 1, 3`. */
function listOf(rings: readonly number[]): string {
  if (rings.length === 0) return "no ring";
  const named = rings.slice(0, NAMED).join(", ");
  return `rings ${named}${rings.length > NAMED ? ` … ${rings.at(-1)}, ${rings.length} rings` : ""}`;
}

export const mq: readonly Check[] = [
  {
    id: "mq/1",
    title: "GET_QUEUE_NUM returns the same positive number each time",
    strength: "MUST",
    section: "VHOST_USER_GET_QUEUE_NUM",
    observes: ["reply"],
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
    observes: ["data"],
    needs: { ...MQ, request: true },
    async run(t) {
      const { asRings, asPairs, usable } = queueCountOf(t);
      const least = asRings.slice(0, MAX_RINGS);
      t.expectThat(
        "GET_QUEUE_NUM",
        least.length > 0,
        "a ring that takes requests",
        t.facts.queueNum,
      );
      await leniently(usable, async () => {
        const served = await working(t, least);
        const idle = least.filter((index) => !served.includes(index));
        if (!served.includes(t.kit.ring)) t.fail("a request", "a completion", "none", "FAIL");
        t.expectThat("rings that take requests", idle.length === 0, listOf(least), listOf(served));
      });
      t.info(`${counted(least.length, "ring")} that take requests`);
      const most = asPairs.slice(0, MAX_RINGS);
      if (!usable || most.length === least.length) return;
      const served = await workingIfAccepted(t, most);
      if (served.length === most.length) return t.info(`all ${counted(most.length, "pair")} work`);
      const what = "GET_QUEUE_NUM of a network device, which QEMU and DPDK take for pairs";
      const beyond = served.filter((index) => !least.includes(index));
      const actual = `${t.facts.queueNum}, and requests are completed on ${listOf(served)}`;
      if (beyond.length === 0)
        return t.warn(what, `${least.length}`, `${t.facts.queueNum}, which counts rings`);
      t.fail(what, `all of ${listOf(most)}`, actual);
    },
  },
  {
    id: "mq/4",
    title: "rings may have different sizes",
    strength: "MUST",
    section: MULTIPLE,
    observes: ["data"],
    needs: SEVERAL,
    async run(t) {
      const { usable } = queueCountOf(t);
      await leniently(usable, async () => {
        const rings = reliableRings(t);
        const served = await working(t, rings);
        if (served.length < 2) t.skip("fewer than two rings serve requests");
        const sizes = [8, 64, 256];
        const { memory, takers } = await upAll(t, rings, (index) => ({
          size: sizes[served.indexOf(index) % sizes.length] ?? 8,
        }));
        const forget = memory.mark();
        // A wrong size has an effect only after the first wrap.
        for (const ring of takers.filter(({ index }) => served.includes(index)).slice(0, 4)) {
          for (let i = 0; i <= ring.size; i += 1) {
            await t.request(ring, memory);
            forget();
          }
        }
      });
    },
  },
  {
    id: "mq/6",
    title: "a ring beyond GET_QUEUE_NUM is refused",
    strength: "SHOULD",
    section: "VHOST_USER_GET_QUEUE_NUM",
    observes: ["refusal"],
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
