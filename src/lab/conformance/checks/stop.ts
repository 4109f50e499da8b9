import { FrontendRequest, ProtocolFeature } from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import { completions, pushMany, spin } from "../kit/back-end/many-requests.ts";
import type { RunningDevice } from "../kit/back-end/running-device.ts";
import { nameOf } from "../kit/back-end/session.ts";

const { GetFeatures, GetQueueNum, GetVringBase, SetVringBase } = FrontendRequest;
const NEEDS = { request: true } as const;
const STATES = "Ring states";
const SUSPENDED = "Suspended device state";
const BASE = "VHOST_USER_GET_VRING_BASE";
/** Number of times that a busy ring is stopped. */
const STOPS = 200;
const RACES = 400;
/** Time in which a target has fetched requests but not completed them. */
const SOON_MS = 0.3;

/** Stops a ring, then makes a request available and kicks. */
async function stoppedAndKicked(
  t: CheckContext,
): Promise<RunningDevice & { readonly before: Uint8Array }> {
  const device = await t.bringUp();
  for (let i = 0; i < 3; i += 1) await device.request();
  await device.ring.stop();
  device.ring.call.drain();
  const { readable, writable } = t.kit.request(device.memory);
  device.ring.add(readable, writable);
  const before = device.memory.content;
  device.ring.kick.signal();
  // Effects of the kick appear before the answer or soon after it.
  await device.session.alive();
  await device.session.pause(t.times.graceMs);
  return { ...device, before };
}

export const stop: readonly Check[] = [
  {
    id: "stop/1",
    title: "GET_VRING_BASE answers with the ring's index and its exact next available index",
    strength: "MUST",
    section: BASE,
    observes: ["data"],
    tags: ["smoke", "migration"],
    needs: NEEDS,
    async run(t) {
      const { session, ring, request } = await t.bringUp();
      for (let i = 0; i < 5; i += 1) await request();
      const state = await session.call(GetVringBase, { index: ring.index, num: 0 });
      t.expect("the reply", state, { index: ring.index, num: 5 });
    },
  },
  {
    id: "stop/2",
    title: "the base of a split ring has 16 bits",
    strength: "MUST",
    section: "A vring descriptor index for split virtqueues",
    observes: ["data"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      const { ring, request } = await t.bringUp();
      await request();
      t.expect("bits above 15", (await ring.stop()) >>> 16, 0);
    },
  },
  {
    id: "stop/3",
    title: "requests that were fetched from a ring are completed before GET_VRING_BASE is answered",
    strength: "MUST",
    section: BASE,
    observes: ["data"],
    slow: 4,
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      const device = await t.bringUp({ ring: { size: 256 } });
      const forget = device.memory.mark();
      for (let i = 0; i < STOPS; i += 1) {
        const requests = pushMany(t, device, 16);
        // Wait until some of them, but not all, are in flight.
        spin(t.random() * SOON_MS);
        const base = await device.ring.stop();
        const left = (base - (device.ring.usedIndex ?? base)) & 0xffff;
        // More completions than the reply says: stop/6 is about that.
        if (left >= 0x8000) t.notJudged("the reply is behind the used index, see stop/6");
        t.expect("fetched and not completed", left, 0);
        await device.ring.restart(base);
        await completions(t, device.ring, requests);
        forget();
      }
    },
  },
  {
    id: "stop/4",
    title: "memory is not written to once GET_VRING_BASE was answered",
    strength: "MUST",
    section: SUSPENDED,
    observes: ["data"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      const { memory, before } = await stoppedAndKicked(t);
      t.expect("memory has changed", Buffer.compare(before, memory.content) !== 0, false);
    },
  },
  {
    id: "stop/5",
    title: "there are no calls once GET_VRING_BASE was answered",
    strength: "MUST",
    section: SUSPENDED,
    observes: ["data"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      t.expect("a call", (await stoppedAndKicked(t)).ring.call.drain(), false);
    },
  },
  {
    id: "stop/6",
    title: "requests that race with a stop are served exactly once, before or after it",
    strength: "MUST",
    section: BASE,
    observes: ["data"],
    slow: 4,
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      const device = await t.bringUp({ ring: { size: 256 } });
      const { ring, session, memory } = device;
      const forget = memory.mark();
      for (let i = 0; i < RACES; i += 1) {
        const first = ring.usedIndex ?? 0;
        const count = 1 + (i % 2);
        // The target has seen the previous kick: without another one, only a polling target sees these.
        if (i % 4 === 0) await session.alive();
        const requests = pushMany(t, device, count, i % 4 !== 0);
        const base = await ring.stop();
        t.expect("used index, against the reply", ring.usedIndex, base);
        await ring.restart(base);
        await completions(t, ring, requests);
        t.expect("used index afterwards", ring.usedIndex, (first + count) % 0x1_0000);
        forget();
      }
    },
  },
  {
    id: "stop/7",
    title: "a second GET_VRING_BASE answers with the same number",
    strength: "MUST",
    section: BASE,
    observes: ["data"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      const { ring, request } = await t.bringUp();
      await request();
      const base = await ring.stop();
      t.expect("the second reply", await ring.stop(), base);
    },
  },
  {
    id: "stop/8",
    title: "GET_VRING_BASE of a ring that was never started answers with its base",
    strength: "MUST",
    section: BASE,
    observes: ["reply"],
    tags: ["migration"],
    async run(t) {
      const session = await t.negotiatedSession();
      await session.set(SetVringBase, { index: 0, num: 5 });
      const { num } = await session.call(GetVringBase, { index: 0, num: 0 });
      t.expect("the reply", num, 5);
    },
  },
  {
    id: "stop/9",
    title: "a ring continues from the base that GET_VRING_BASE returned",
    strength: "MUST",
    section: STATES,
    observes: ["data"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      const { ring, request } = await t.bringUp();
      for (let round = 0; round < 3; round += 1) {
        for (let i = 0; i < 3; i += 1) await request();
        await ring.restart(await ring.stop());
      }
      await request();
      t.expect("base", await ring.stop(), 10);
    },
  },
  {
    id: "stop/10",
    title: "a ring can be started again with another memory table",
    strength: "MUST",
    section: STATES,
    observes: ["data"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      const { session, rings, request } = await t.bringUp();
      await request();
      for (const ring of rings.values()) await ring.stop();
      // The addresses differ: mem/10 checks what happens to old mappings.
      await (
        await t.bringUp({ session, guestBase: 0x20_0000_0000, userBase: 0x7e00_0000_0000n })
      ).request();
    },
  },
  {
    id: "stop/12",
    title: "requests on the main socket are answered while all rings are stopped",
    strength: "MUST",
    section: SUSPENDED,
    observes: ["data"],
    tags: ["migration"],
    needs: NEEDS,
    async run(t) {
      const { session, rings, request } = await t.bringUp();
      await request();
      for (const ring of rings.values()) await ring.stop();
      const { GetConfig } = FrontendRequest;
      const asked: [FrontendRequest, bigint, unknown?][] = [
        [GetFeatures, 0n],
        [GetConfig, ProtocolFeature.Config, { offset: 0, flags: 0, data: new Uint8Array(8) }],
        [GetQueueNum, ProtocolFeature.Mq],
      ];
      for (const [request, feature, payload] of asked) {
        if ((session.protocol & feature) !== feature) continue;
        await session.send(request, payload);
        const { header } = await session.expectNext(nameOf(request));
        t.expect("the next message answers", nameOf(header.request), nameOf(request));
      }
    },
  },
  {
    id: "stop/15",
    title: "GET_VRING_BASE with a number in the request is answered as usual, or refused",
    strength: "SHOULD",
    section: BASE,
    observes: ["data"],
    tags: ["migration"],
    needs: NEEDS,
    hostile: true,
    async run(t) {
      const { session, ring, request } = await t.bringUp();
      await request();
      await session.send(GetVringBase, { index: ring.index, num: 7 });
      const next = await session.answerOrEnd(nameOf(GetVringBase));
      if (next === "closed") return t.info("closed");
      t.expect("the base", Buffer.from(next.payload).readUInt32LE(4), 1);
    },
  },
];
