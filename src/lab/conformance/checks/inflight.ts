import { counted } from "../../../core/base/index.ts";
import { FrontendRequest, ProtocolFeature, VirtioFeature } from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import type { RunningDevice } from "../kit/back-end/running-device.ts";
import { askInflight, held, type InflightHeld } from "../kit/back-end/inflight.ts";
import type { KitRequest } from "../kit/back-end/kit.ts";
import { PROTOCOL, QUEUE_SIZE, resumed, tracked } from "../kit/back-end/resumed-ring.ts";

const TRACKING = { protocol: ProtocolFeature.InflightShmfd } as const;
const NEEDS = { ...TRACKING, request: true } as const;
const SECTION = "Inflight I/O tracking";
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

/** Returns the order in which four requests are resubmitted, by their counters. */
async function orderOf(t: CheckContext): Promise<string> {
  const { hand, heads, prepared } = await resumed(t, COUNTERS.length, ({ notes, heads: all }) => {
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
];
