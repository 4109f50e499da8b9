import { FrontendRequest, ProtocolFeature, VirtioFeature } from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import { writesOn } from "../kit/back-end/effect.ts";
import type { KitRequest } from "../kit/back-end/kit.ts";
import { completions, pushMany, spin } from "../kit/back-end/many-requests.ts";

const { SetVringEnable } = FrontendRequest;
const STATES = "Ring states";
const NEEDS = { request: true, virtio: VirtioFeature.ProtocolFeatures } as const;

/** Number of times that a busy ring is disabled. */
const TIMES = 50;
const AT_ONCE = 16;
/** Time in which a target has fetched requests but not completed them. */
const SOON_MS = 0.3;
/** Time in which a target serves a request. */
const SERVED_MS = 5;

/** Returns the contents of the buffers that the device writes for requests. */
function writableOf(requests: ReadonlyMap<number, KitRequest>): Buffer {
  const buffers = [...requests.values()].flatMap(({ writable }) => writable);
  return Buffer.concat(buffers.map(({ bytes }) => bytes));
}

export const enable: readonly Check[] = [
  {
    id: "enable/1",
    title: "requests on a started ring that is disabled have no effect",
    strength: "MUST",
    section: STATES,
    observes: ["effect"],
    needs: NEEDS,
    async run(t) {
      t.expect(
        "a write was done",
        await writesOn(t, async () => t.bringUp({ enable: false })),
        false,
      );
    },
  },
  {
    id: "enable/2",
    title: "available requests are served when the ring is enabled, without a further kick",
    strength: "MUST",
    section: STATES,
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const { rings, ring, memory, session } = await t.bringUp({ enable: false });
      const request = t.kit.request(memory);
      ring.push(request.readable, request.writable);
      // The target has seen the kick and must remember it.
      await session.alive();
      // A network device drops frames while the ring is disabled.
      const done = await ring.completion(t.times.graceMs);
      for (const each of rings.values()) await each.enable();
      if (done !== undefined) return t.info("completed while the ring was disabled");
      t.expectAnswer(request, await ring.expectCompletion("a request made while disabled"));
    },
  },
  {
    id: "enable/4",
    title: "a ring that is stopped and started again is still enabled",
    strength: "SHOULD",
    section: STATES,
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const { ring, request } = await t.bringUp();
      await request();
      await ring.restart(await ring.stop());
      await request();
    },
  },
  {
    id: "enable/5",
    title: "a ring can be enabled before it is set up",
    strength: "SHOULD",
    section: STATES,
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const session = await t.negotiatedSession();
      for (const index of t.kit.rings) await session.set(SetVringEnable, { index, num: 1 });
      await (await t.bringUp({ session, enable: false })).request();
    },
  },
  {
    id: "enable/6",
    title: "a ring may be enabled twice",
    strength: "MUST",
    section: STATES,
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const { ring, request } = await t.bringUp();
      await ring.enable();
      await request();
    },
  },
  {
    id: "enable/7",
    title: "SET_VRING_ENABLE with another number than 0 or 1 does no harm",
    strength: "ROBUSTNESS",
    section: "VHOST_USER_SET_VRING_ENABLE",
    observes: ["service"],
    needs: { virtio: VirtioFeature.ProtocolFeatures },
    async run(t) {
      const session = await t.negotiatedSession();
      const { ack } = await session.attempt(SetVringEnable, { index: 0, num: 2 });
      t.info(ack === 0n ? "accepted" : "refused");
      await t.survive(session);
    },
  },
  {
    id: "enable/8",
    title: "SET_VRING_ENABLE without PROTOCOL_FEATURES acknowledged does no harm",
    strength: "SHOULD",
    section: "VHOST_USER_SET_VRING_ENABLE",
    observes: ["service"],
    hostile: true,
    async run(t) {
      const session = await t.negotiatedSession(VirtioFeature.Version1);
      await session.send(SetVringEnable, { index: 0, num: 1 });
      await t.survive(session);
    },
  },
  {
    id: "enable/3",
    title: "no buffer of a ring is written to once SET_VRING_ENABLE 0 is acknowledged",
    // A write to a disk must not be done (ack/9); that an answer is an effect the text leaves open.
    strength: "SHOULD",
    section: STATES,
    observes: ["data"],
    slow: 2,
    needs: { ...NEEDS, protocol: ProtocolFeature.ReplyAck },
    async run(t) {
      const device = await t.bringUp({ ring: { size: 256 } });
      const { ring, memory, session } = device;
      await device.request();
      if (t.kit.request(memory).writable.length === 0)
        t.skip(`requests of ${t.kit.kind.name} devices have no buffer to write to`);
      const forget = memory.mark();
      let isLate = false;
      for (let i = 1; i <= TIMES; i += 1) {
        const earlier = pushMany(t, device, AT_ONCE);
        // Some of them, but not all, are in flight.
        spin(t.random() * SOON_MS);
        await ring.enable(false);
        const answered = writableOf(earlier);
        const later = pushMany(t, device, 1);
        const untouched = writableOf(later);
        await session.alive();
        await session.pause(i < TIMES ? SERVED_MS : t.times.graceMs);
        const isServed = Buffer.compare(writableOf(later), untouched) !== 0;
        t.expectThat(
          "a request of the disabled ring",
          !isServed,
          "not served",
          "its buffers are written to",
        );
        isLate ||= Buffer.compare(writableOf(earlier), answered) !== 0;
        await ring.enable();
        ring.kick.signal();
        await completions(t, ring, new Map([...earlier, ...later]));
        forget();
      }
      if (isLate) t.warn("requests in flight", "completed before the acknowledgement", "after it");
    },
  },
];
