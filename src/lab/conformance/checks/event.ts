import { VirtioFeature } from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import { bringUpByHand } from "../kit/back-end/hand-split.ts";
import { PreparedRequests } from "../kit/back-end/prepared-requests.ts";

const { EventIdx } = VirtioFeature;
const NEEDS = { request: true } as const;
const WITH_EVENT_IDX = { request: true, virtio: EventIdx } as const;
const DRIVER_SECTION = "VIRTIO 2.7.7.2";
const DEVICE_SECTION = "VIRTIO 2.7.10, 2.7.10.2";
/** VIRTQ_AVAIL_F_NO_INTERRUPT */
const NO_INTERRUPT = 1;
const IDLE_MS = 200;
const ROUNDS = 600;
/** Calls of 100 requests that may have been sent before the target saw the flag. */
const FEW = 10;
const LAST_INDICES = [65_531, 65_532, 65_533, 65_534, 65_535];

/** Prepares requests in a ring that the check drives itself. */
async function laidOut(t: CheckContext, virtio: bigint, base = 0) {
  t.closeSessions();
  const device = await bringUpByHand(t, { virtio: t.usualVirtio | virtio, ring: { base } });
  return { ...device, prepared: new PreparedRequests(t, device) };
}

/** Checks that a call comes whenever the used index passes `used_event`. */
async function crossings(t: CheckContext, base: number, rounds: number): Promise<void> {
  const { prepared, hand, ring } = await laidOut(t, EventIdx, base);
  for (let i = 0; i < rounds; i += 1) {
    const count = 1 + Math.floor(t.random() * prepared.heads.length);
    const event = (hand.used + Math.floor(t.random() * count)) & 0xffff;
    const before = hand.used;
    ring.call.drain();
    Atomics.store(hand.words.available, hand.words.usedEventIndex, event);
    prepared.makeAvailable(count);
    ring.kick.signal();
    const called = await ring.called();
    const went = `used index went from ${before} to ${Atomics.load(hand.words.used16, 1)}`;
    t.expectThat(`used_event ${event}, ${went}`, called, "a call", "none");
    await prepared.used(count);
  }
}

/** Returns the number of calls for `count` sequential requests. */
async function callsFor(
  prepared: PreparedRequests,
  called: () => boolean,
  count: number,
): Promise<number> {
  let calls = 0;
  for (let i = 0; i < count; i += 1) {
    await prepared.serve(1);
    if (called()) calls += 1;
  }
  return calls;
}

export const event: readonly Check[] = [
  {
    id: "event/1",
    title: "a completion causes a call",
    strength: "MUST",
    section: DRIVER_SECTION,
    observes: ["call", "data"],
    tags: ["smoke"],
    needs: NEEDS,
    async run(t) {
      const { ring, request } = await t.bringUp();
      for (let i = 0; i < 4; i += 1) {
        ring.call.drain();
        await request();
        t.expect(`a call for request ${i + 1}`, await ring.called(), true);
      }
    },
  },
  {
    id: "event/2",
    title: "a driver that disabled calls receives few or none",
    strength: "SHOULD",
    section: DRIVER_SECTION,
    observes: ["call", "data"],
    needs: NEEDS,
    async run(t) {
      const { prepared, hand, ring } = await laidOut(t, 0n);
      await prepared.serve(1);
      if (!(await ring.called())) t.notJudged("no call comes without the flag either");
      Atomics.store(hand.words.available, 0, NO_INTERRUPT);
      const calls = await callsFor(prepared, () => ring.call.drain(), 100);
      t.expectThat("calls for 100 requests", calls <= FEW, `at most ${FEW}`, calls);
    },
  },
  {
    id: "event/4",
    title: "with EVENT_IDX a call comes when the used index passes used_event, and not before",
    strength: "SHOULD",
    section: DRIVER_SECTION,
    observes: ["call", "data"],
    needs: WITH_EVENT_IDX,
    async run(t) {
      const { prepared, hand, ring } = await laidOut(t, EventIdx);
      // Before its first decision a device has no previous index to compare with.
      await prepared.serve(1);
      await ring.called();
      Atomics.store(hand.words.available, hand.words.usedEventIndex, hand.used + 9);
      const early = await callsFor(prepared, () => ring.call.drain(), 9);
      await prepared.serve(1);
      t.expectThat("a call at the 10th", await ring.called(), "one", "none");
      if (early > 0) t.warn("calls before the 10th", "0", early);
    },
  },
  {
    id: "event/5",
    title: "with EVENT_IDX a call comes whenever the used index passes used_event",
    strength: "MUST",
    section: DRIVER_SECTION,
    observes: ["call", "data"],
    slow: 2,
    needs: WITH_EVENT_IDX,
    run: async (t) => crossings(t, 0, ROUNDS),
  },
  {
    id: "event/6",
    title: "with EVENT_IDX a call comes whenever the used index passes used_event across the wrap",
    strength: "MUST",
    section: DRIVER_SECTION,
    observes: ["call", "data"],
    needs: WITH_EVENT_IDX,
    async run(t) {
      for (const base of LAST_INDICES) await crossings(t, base, 6);
    },
  },
  {
    id: "event/7",
    title: "with EVENT_IDX avail_event says when a kick is wanted",
    strength: "MUST",
    section: DEVICE_SECTION,
    observes: ["data"],
    slow: 2,
    needs: WITH_EVENT_IDX,
    async run(t) {
      const { prepared, ring } = await laidOut(t, EventIdx);
      for (let i = 0; i < ROUNDS; i += 1) {
        const count = 1 + Math.floor(t.random() * prepared.heads.length);
        if (prepared.makeAvailable(count)) ring.kick.signal();
        await prepared.used(count);
      }
    },
  },
  {
    id: "event/8",
    title: "a device that has been idle for a while wakes up",
    strength: "MUST",
    section: DEVICE_SECTION,
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      for (const virtio of [0n, EventIdx & t.facts.virtio]) {
        const { prepared, ring, session } = await laidOut(t, virtio);
        await prepared.serve(1);
        await session.pause(IDLE_MS);
        const wanted = prepared.makeAvailable(1);
        if (wanted) ring.kick.signal();
        else t.info("the device asks for no kicks: it polls");
        await prepared.used(1);
      }
    },
  },
  {
    id: "event/12",
    title: "with EVENT_IDX the flags of the used ring stay 0",
    strength: "MUST",
    section: DEVICE_SECTION,
    observes: ["data"],
    needs: WITH_EVENT_IDX,
    async run(t) {
      const { prepared, hand } = await laidOut(t, EventIdx);
      for (let i = 0; i < 200; i += 1) {
        await prepared.serve();
        t.expect("flags of the used ring", Atomics.load(hand.words.used16, 0), 0);
      }
    },
  },
  {
    id: "event/13",
    title: "with EVENT_IDX the flags of the available ring are ignored",
    strength: "MUST",
    section: DRIVER_SECTION,
    observes: ["call", "data"],
    needs: WITH_EVENT_IDX,
    async run(t) {
      const { prepared, hand, ring } = await laidOut(t, EventIdx);
      Atomics.store(hand.words.available, 0, NO_INTERRUPT);
      for (let i = 0; i < 4; i += 1) {
        ring.call.drain();
        Atomics.store(hand.words.available, hand.words.usedEventIndex, hand.used);
        await prepared.serve(1);
        t.expect("a call", await ring.called(), true);
      }
    },
  },
  {
    id: "event/14",
    title: "without EVENT_IDX the bytes behind the available ring are ignored",
    strength: "MUST",
    section: `${DRIVER_SECTION}, 2.7.10.2`,
    observes: ["call", "data"],
    needs: NEEDS,
    async run(t) {
      const { prepared, hand, ring } = await laidOut(t, 0n);
      for (let i = 0; i < 16; i += 1) {
        ring.call.drain();
        Atomics.store(hand.words.available, hand.words.usedEventIndex, (i * 0x1111) & 0xffff);
        await prepared.serve(1);
        t.expect(`a call with 0x${(i * 0x1111).toString(16)} there`, await ring.called(), true);
        const flags = Atomics.load(hand.words.used16, 0);
        t.expectThat("flags of the used ring", flags <= 1, "0 or 1", flags);
      }
    },
  },
];
