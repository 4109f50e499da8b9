import { VirtioFeature } from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import { HandSplit } from "../kit/back-end/hand-split.ts";
import type { KitRequest } from "../kit/back-end/kit.ts";
import { pushMany } from "../kit/back-end/many-requests.ts";
import { PreparedRequests } from "../kit/back-end/prepared-requests.ts";
import type { Ring, RingOptions } from "../kit/back-end/ring.ts";
import type { RunningDevice } from "../kit/back-end/running-device.ts";

const { EventIdx, ProtocolFeatures } = VirtioFeature;
const STATES = "Ring states";
const NEEDS = { request: true } as const;
/** Requests that wait in a ring as it starts. */
const WAITING = 3;
/** An index just below the wrap. */
const NEAR_WRAP = 65_534;
/** Distance of a stale avail_event from the avail index: a driver with that many does not kick. */
const FAR = 0x4000;
const ROUNDS = 20;

/** Acknowledges EVENT_IDX where it is offered, as drivers do. */
const asDrivers = (t: CheckContext): bigint => t.usualVirtio | (EventIdx & t.facts.virtio);

/**
 * Waits for requests that were available as their ring started. Where none is served, the ring is
 * kicked, which a front-end should do and a back-end should not rely on.
 *
 * @returns whether a kick was necessary
 * @throws {CaseFailure} one is not served, or an answer is wrong
 */
async function expectServed(
  t: CheckContext,
  ring: Ring,
  requests: ReadonlyMap<number, KitRequest>,
): Promise<boolean> {
  let done = await ring.completion();
  const isKicked = done === undefined;
  if (isKicked) ring.kick.signal();
  const waiting = new Map(requests);
  while (waiting.size > 0) {
    done ??= await ring.expectCompletion("a request that waited as the ring started");
    const request = waiting.get(done.token);
    t.expectThat("chains that are used", request !== undefined, "each once", done.token);
    waiting.delete(done.token);
    if (request !== undefined) t.expectAnswer(request, done);
    done = undefined;
  }
  return isKicked;
}

/** Requests that are served after a kick alone are a deviation: see {@link expectServed}. */
function warnOfKick(t: CheckContext, isKicked: boolean): void {
  if (isKicked)
    t.warn("available requests", "served when the ring starts", "served only after a kick");
}

/** A device whose rings are laid out, and not set up. */
type LaidOut = Omit<RunningDevice, "request">;

/** @param base the first index of the ring for requests */
async function laidOut(t: CheckContext, virtio: bigint, base = 0): Promise<LaidOut> {
  t.closeSessions();
  const session = await t.negotiatedSession(virtio);
  const memory = t.createMemory();
  await t.share(session, memory);
  const of = (index: number): RingOptions => (index === t.kit.ring ? { base } : {});
  const rings = new Map(t.kit.rings.map((i) => [i, t.ring(session, memory, i, of(i))]));
  const ring = rings.get(t.kit.ring);
  if (ring === undefined) throw new TypeError("a device without a ring for requests");
  return { session, memory, rings, ring };
}

/**
 * Starts the rings from the used indices in memory, and enables them.
 *
 * @param options `base` of the ring for requests; `kick` is false if that ring is not kicked
 */
async function startRings(
  { session, rings, ring }: LaidOut,
  { base = ring.usedIndex ?? ring.queue.base, kick = false } = {},
): Promise<void> {
  for (const each of rings.values()) {
    const isOther = each !== ring;
    await each.restart(isOther ? (each.usedIndex ?? each.queue.base) : base, isOther || kick);
  }
  if ((session.virtio & ProtocolFeatures) === 0n) return;
  for (const each of rings.values()) await each.enable();
}

/**
 * Checks that a chain of a ring that starts empty is served, with a kick only where `avail_event`
 * wants one.
 */
async function staleEvent(t: CheckContext, base: number): Promise<void> {
  const device = await laidOut(t, t.usualVirtio | EventIdx, base);
  const { session, ring } = device;
  const hand = new HandSplit(t, session, ring);
  const prepared = new PreparedRequests(t, { ...device, hand }, 1);
  const stale = (base + FAR) & 0xffff;
  const event = (): number => Atomics.load(hand.words.used16, hand.words.availEventIndex);
  Atomics.store(hand.words.used16, hand.words.availEventIndex, stale);
  await startRings(device, { kick: true });
  // The target has seen the kick that belongs to the start.
  await session.alive();
  await session.pause(t.times.graceMs);
  const advice = event();
  if (prepared.makeAvailable()) ring.kick.signal();
  const used = await hand.next();
  if (typeof used === "object") return prepared.expectAnswer(used);
  ring.kick.signal();
  await prepared.used();
  t.warn(
    `the chain at index ${base}, where avail_event was ${stale} before the start`,
    "served",
    `served only after a kick, which avail_event ${advice} does not want`,
  );
}

/** Checks of rings that start with something in them. */
export const start: readonly Check[] = [
  {
    id: "start/1",
    title: "requests that became available while a ring was stopped are served without a kick",
    strength: "SHOULD",
    section: STATES,
    observes: ["data"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      const device = await t.bringUp({ virtio: asDrivers(t) });
      await device.request();
      const base = await device.ring.stop();
      const requests = pushMany(t, device, WAITING, false);
      await device.ring.restart(base, false);
      warnOfKick(t, await expectServed(t, device.ring, requests));
    },
  },
  {
    id: "start/2",
    title: "a ring that is restored at an index serves what is available there without a kick",
    strength: "SHOULD",
    section: STATES,
    observes: ["data"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      const device = await laidOut(t, asDrivers(t), NEAR_WRAP);
      const requests = pushMany(t, device, WAITING, false);
      await startRings(device);
      warnOfKick(t, await expectServed(t, device.ring, requests));
      const end = (NEAR_WRAP + WAITING) & 0xffff;
      t.expect("GET_VRING_BASE afterwards", await device.ring.stop(), end);
    },
  },
  {
    id: "start/3",
    title: "after a reconnect a ring serves what became available meanwhile, without a kick",
    strength: "SHOULD",
    section: STATES,
    observes: ["data"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      const virtio = asDrivers(t);
      const device = await t.bringUp({ virtio });
      const { memory, rings, ring } = device;
      for (let i = 0; i < WAITING; i += 1) await device.request();
      t.closeSessions();
      const requests = pushMany(t, device, WAITING, false);
      const session = await t.negotiatedSession(virtio);
      await t.share(session, memory);
      for (const each of rings.values()) each.moveTo(session);
      await startRings({ session, memory, rings, ring });
      warnOfKick(t, await expectServed(t, ring, requests));
    },
  },
  {
    id: "start/4",
    title: "a ring that starts with a stale avail_event serves the next chain",
    strength: "SHOULD",
    section: "Ring states, VIRTIO 2.7.10",
    observes: ["data"],
    tags: ["migration"],
    needs: { ...NEEDS, virtio: EventIdx },
    async run(t) {
      for (const base of [7, NEAR_WRAP]) await staleEvent(t, base);
    },
  },
  {
    id: "start/5",
    title: "a ring starts at its base, and the used ring goes on at its own index in memory",
    strength: "SHOULD",
    section: "A vring descriptor index for split virtqueues",
    observes: ["data"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      const device = await laidOut(t, t.usualVirtio);
      const { session, ring } = device;
      const hand = new HandSplit(t, session, ring);
      const prepared = new PreparedRequests(t, { ...device, hand }, 4);
      prepared.makeAvailable();
      const [first = 0, taken = 0, ...rest] = prepared.heads;
      // The first one is used, and the second one was taken and is not used.
      hand.words.used32[1] = first;
      Atomics.store(hand.words.used16, 1, 1);
      hand.take();
      await startRings(device, { base: 2, kick: true });
      const ids: number[] = [];
      for (const _ of rest) {
        const used = await hand.expectUsed(`one of chains ${rest.join(", ")}`);
        ids.push(used.id);
        if (used.id !== taken) prepared.expectAnswer(used);
      }
      const order = (a: number, b: number): number => a - b;
      t.expect("chains that are used", ids.toSorted(order), rest.toSorted(order));
      t.expect("GET_VRING_BASE afterwards", await ring.stop(), prepared.heads.length);
      t.expect("used index afterwards", ring.usedIndex, prepared.heads.length - 1);
    },
  },
  {
    id: "start/6",
    title: "a ring that is stopped and started twice in a row serves each request once",
    strength: "MUST",
    section: STATES,
    observes: ["data"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      const device = await t.bringUp({ virtio: asDrivers(t) });
      const { ring, memory } = device;
      await device.request();
      const forget = memory.mark();
      const first = ring.usedIndex ?? 0;
      for (let i = 1; i <= ROUNDS; i += 1) {
        const base = await ring.stop();
        const requests = pushMany(t, device, WAITING, false);
        await ring.restart(base, false);
        // Some of them may be served before this.
        await ring.restart(await ring.stop());
        await expectServed(t, ring, requests);
        if (ring.usedIndex !== undefined)
          t.expect(`used index in round ${i}`, ring.usedIndex, first + i * WAITING);
        forget();
      }
      const end = await ring.stop();
      if (ring.usedIndex !== undefined) t.expect("GET_VRING_BASE", end, first + ROUNDS * WAITING);
    },
  },
];
