import { setImmediate as turn } from "node:timers/promises";
import { counted } from "../../../core/base/index.ts";
import { FrontendRequest, ProtocolFeature, VirtioFeature } from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import type { RunningDevice } from "../kit/back-end/running-device.ts";
import { HandSplit } from "../kit/back-end/hand-split.ts";
import {
  askInflight,
  craftInflight,
  held,
  type InflightHeld,
  type InflightNotes,
} from "../kit/back-end/inflight.ts";
import type { KitRequest } from "../kit/back-end/kit.ts";
import { PreparedRequests } from "../kit/back-end/prepared-requests.ts";

const { InflightShmfd, Mq, ReplyAck, Config } = ProtocolFeature;
const PROTOCOL = InflightShmfd | Mq | ReplyAck | Config;
const TRACKING = { protocol: InflightShmfd } as const;
const NEEDS = { ...TRACKING, request: true } as const;
const SECTION = "Inflight I/O tracking";
const QUEUE_SIZE = 32;
const BIG_QUEUE = 128;
/** The counters of four requests, in the order of their heads. */
const COUNTERS = [2n, 0n, 3n, 1n];
const TRIES = 3;
const KILLS = 3;

/** Returns a region for a ring of 128 entries, as the target creates it. */
async function fresh(t: CheckContext) {
  const reply = await askInflight(await t.negotiatedSession(undefined, PROTOCOL), 1, BIG_QUEUE);
  return { ...reply, ...held(t, reply.description, reply.fd) };
}

/** Brings a device up with an in-flight region of the check. */
async function tracked(t: CheckContext) {
  const inflight = craftInflight(t, t.kit.rings.length, QUEUE_SIZE, t.kit.ring);
  const device = await t.bringUp({ protocol: PROTOCOL, inflight, ring: { size: QUEUE_SIZE } });
  return { ...device, inflight, notes: inflight.notes };
}

/**
 * Prepares a ring as a killed back-end would leave it: `count` requests are available, and
 * `prepare` records their state and returns the used index.
 */
async function resumed(
  t: CheckContext,
  count: number,
  prepare: (notes: InflightNotes, heads: readonly number[], hand: HandSplit) => number,
) {
  t.closeSessions();
  const session = await t.negotiatedSession(undefined, PROTOCOL);
  const memory = t.createMemory();
  await t.share(session, memory);
  const inflight = craftInflight(t, t.kit.rings.length, QUEUE_SIZE, t.kit.ring);
  const rings = t.kit.rings.map((each) => t.ring(session, memory, each, { size: QUEUE_SIZE }));
  const ring = rings.find(({ index }) => index === t.kit.ring);
  if (ring === undefined) throw new TypeError("a device without a ring for requests");
  const hand = new HandSplit(t, session, ring);
  const prepared = new PreparedRequests(t, { hand, memory, ring }, count);
  prepared.makeAvailable();
  const used = prepare(inflight.notes, prepared.heads, hand);
  for (let i = 0; i < used; i += 1) hand.take();
  await session.set(FrontendRequest.SetInflightFd, inflight.description, [inflight.fd]);
  for (const each of rings) await each.restart(each === ring ? used : 0);
  if ((session.virtio & VirtioFeature.ProtocolFeatures) !== 0n) {
    for (const each of rings) await each.enable();
  }
  return { hand, ring, heads: prepared.heads, prepared };
}

/** Returns the order in which four requests are resubmitted, by their counters. */
async function orderOf(t: CheckContext): Promise<string> {
  const { hand, heads, prepared } = await resumed(t, COUNTERS.length, (notes, all) => {
    notes.begin(QUEUE_SIZE);
    all.forEach((head, i) => notes.note(head, { counter: COUNTERS[i] ?? 0n }));
    return 0;
  });
  const order: bigint[] = [];
  for (const _ of heads) {
    const used = await hand.expectUsed("a request that was in flight before");
    prepared.expectAnswer(used);
    const { id } = used;
    order.push(COUNTERS[heads.indexOf(id)] ?? -1n);
  }
  return order.join(", ");
}

/**
 * Prepares a region in which the first of five requests were used, and their entries were not
 * cleared.
 */
async function lastBatch(t: CheckContext, shown: number): Promise<void> {
  const { hand, heads, ring, prepared } = await resumed(t, 5, (notes, all, { words }) => {
    const batch = all.slice(0, shown);
    batch.forEach((head, i) => {
      words.used32[1 + 2 * i] = head;
    });
    Atomics.store(words.used16, 1, shown);
    notes.begin(QUEUE_SIZE, { lastBatchHead: batch.at(-1) ?? 0 });
    all.forEach((head, i) => {
      notes.note(head, { counter: BigInt(i), next: all[i - 1] ?? 0 });
    });
    return shown;
  });
  const waiting = heads.slice(shown);
  for (const _ of heads.slice(shown)) {
    const used = await hand.expectUsed(`one of chains ${waiting.join(", ")}`);
    const at = waiting.indexOf(used.id);
    t.expectThat("used id", at >= 0, `one of ${waiting.join(", ")}`, used.id);
    prepared.expectAnswer(used);
    waiting.splice(at, 1);
  }
  const index = await watchUntil(hand, ring.stop());
  t.expect("used index until the ring stops", index, heads.length);
  // A target that is fast may go through 65,536 executions: then the index is right again.
  const written = heads.slice(0, shown).filter((head) => !prepared.isUntouched(head));
  t.expect("chains of the last batch whose buffers were written to", written, []);
}

/**
 * Looks at the used index until something has happened.
 *
 * @returns another index than at first, or that
 */
async function watchUntil(hand: HandSplit, what: Promise<unknown>): Promise<number> {
  const look = (): number => Atomics.load(hand.words.used16, 1);
  const first = look();
  let isOver = false;
  let other: number | undefined;
  const over = what.finally(() => {
    isOver = true;
  });
  while (!isOver) {
    if (other === undefined && look() !== first) other = look();
    await turn();
  }
  await over;
  return other ?? look();
}

/** Kills the target while requests are outstanding, and gives its successor the in-flight region. */
async function killed(
  t: CheckContext,
  { rings, memory }: RunningDevice,
  inflight: InflightHeld,
): Promise<void> {
  await t.target.restart?.();
  t.closeSessions();
  const session = await t.negotiatedSession(undefined, PROTOCOL);
  await t.share(session, memory);
  await session.set(FrontendRequest.SetInflightFd, inflight.description, [inflight.fd]);
  for (const ring of rings.values()) {
    const { raw } = ring.queue;
    ring.moveTo(session);
    await ring.restart(raw.format === "split" ? Atomics.load(raw.used16, 1) : ring.queue.base);
    if ((session.virtio & VirtioFeature.ProtocolFeatures) !== 0n) await ring.enable();
  }
}

export const inflight: readonly Check[] = [
  {
    id: "inflight/1",
    title: "GET_INFLIGHT_FD brings memory that can be mapped and is large enough",
    strength: "MUST",
    section: "VHOST_USER_GET_INFLIGHT_FD",
    observes: ["reply"],
    tags: ["migration"],
    needs: TRACKING,
    async run(t) {
      const { bytes } = await fresh(t);
      if (bytes !== 24) t.warn("size of the description", "24 bytes, as the C structure", bytes);
    },
  },
  {
    id: "inflight/2",
    title: "GET_INFLIGHT_FD returns the number of queues and the queue size of the request",
    strength: "SHOULD",
    section: "VHOST_USER_GET_INFLIGHT_FD",
    observes: ["reply"],
    tags: ["migration"],
    needs: TRACKING,
    async run(t) {
      const { description } = await fresh(t);
      t.expect("number of queues", description.numQueues, 1);
      t.expect("size of a queue", description.queueSize, BIG_QUEUE);
    },
  },
  {
    id: "inflight/3",
    title: "a fresh in-flight region has no requests in flight",
    strength: "MUST",
    section: SECTION,
    observes: ["reply"],
    tags: ["migration"],
    needs: TRACKING,
    async run(t) {
      const { notes } = await fresh(t);
      t.expectThat("version", notes.version <= 1, "0 or 1", notes.version);
      const { entries } = notes;
      t.expectThat("entries", entries === 0 || entries === BIG_QUEUE, "0 or 128", entries);
      t.expect("chains in flight", notes.heads(BIG_QUEUE), []);
    },
  },
  {
    id: "inflight/5",
    title: "a ring that starts with a fresh in-flight region sets its version to 1",
    strength: "MUST",
    section: "VHOST_USER_SET_INFLIGHT_FD",
    observes: ["data"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      const { request, notes } = await tracked(t);
      await request();
      t.expect("version", notes.version, 1);
      t.expect("entries", notes.entries, QUEUE_SIZE);
    },
  },
  {
    id: "inflight/7",
    title: "a stopped ring has no requests in flight, and the in-flight region has its used index",
    strength: "MUST",
    section: SECTION,
    observes: ["data"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      const { request, notes, ring } = await tracked(t);
      for (let i = 0; i < 5; i += 1) await request();
      await ring.stop();
      t.expect("chains in flight", notes.heads(QUEUE_SIZE), []);
      t.expect("used index in the region", notes.usedIdx, 5);
    },
  },
  {
    id: "inflight/8",
    title: "the successor of a target that was killed under load completes each request once",
    strength: "MUST",
    section: SECTION,
    // A process that was started again may have lost what was written to the one before it.
    observes: ["completion"],
    tags: ["migration"],
    needs: { ...NEEDS, process: true },
    async run(t) {
      if (t.target.restart === undefined) t.skip("the suite does not own the process");
      const device = await tracked(t);
      const { ring, memory } = device;
      for (let kill = 0; kill < KILLS; kill += 1) {
        const out = new Map<number, KitRequest>();
        for (let i = 0; i < 8; i += 1) {
          const request = t.kit.request(memory);
          out.set(ring.push(request.readable, request.writable), request);
        }
        // One request is completed: the target has taken the rest.
        const first = await ring.expectCompletion("a request");
        await killed(t, device, device.inflight);
        for (let done: typeof first | undefined = first; done && out.size > 0;) {
          const wrong = out.get(done.token)?.wrong(done.written);
          t.expect(`the answer to chain ${done.token}`, wrong ?? "correct", "correct");
          out.delete(done.token);
          if (out.size > 0)
            done = await ring.expectCompletion(`one of ${counted(out.size, "request")}`);
        }
      }
    },
  },
  {
    id: "inflight/9",
    title: "requests in flight are resubmitted in the order in which the target took them",
    strength: "MUST",
    section: SECTION,
    observes: ["data"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      const right = [...COUNTERS.keys()].join(", ");
      const seen = new Set<string>();
      for (let i = 0; i < TRIES; i += 1) {
        const order = await orderOf(t);
        if (order === right) return;
        seen.add(order);
      }
      // A device that works on several at once may complete them in any order.
      if (seen.size > 1) t.info(`orders of completion: ${[...seen].join("; ")}`);
      else t.expect(`the order, ${TRIES} times`, [...seen].join(), right);
    },
  },
  {
    id: "inflight/10",
    title: "requests that the driver has seen as used are not resubmitted",
    strength: "MUST",
    section: SECTION,
    observes: ["data"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      await lastBatch(t, 1);
      await lastBatch(t, 3);
    },
  },
];
