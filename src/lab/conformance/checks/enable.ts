import { FrontendRequest, VirtioFeature } from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import { writesOn } from "../kit/back-end/effect.ts";

const { SetVringEnable } = FrontendRequest;
const STATES = "Ring states";
const NEEDS = { request: true, virtio: VirtioFeature.ProtocolFeatures } as const;

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
];
