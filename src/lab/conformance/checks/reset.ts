import { FrontendRequest, ProtocolFeature } from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import { type EffectOptions, writesOn } from "../kit/back-end/effect.ts";

const { ResetDevice, ResetOwner, SetFeatures, SetOwner } = FrontendRequest;
const RESET = "VHOST_USER_RESET_DEVICE";
const PROTOCOL = ProtocolFeature.ReplyAck | ProtocolFeature.ResetDevice;
const NEEDS = { protocol: ProtocolFeature.ResetDevice, request: true } as const;

const inControl = (t: CheckContext): EffectOptions => ({
  control: async () => t.bringUp({ protocol: PROTOCOL }),
});

export const reset: readonly Check[] = [
  {
    id: "reset/1",
    title: "after RESET_DEVICE requests on rings have no effect",
    strength: "MUST",
    section: RESET,
    observes: ["effect"],
    needs: NEEDS,
    async run(t) {
      const effect = await writesOn(
        t,
        async () => {
          const device = await t.bringUp({ protocol: PROTOCOL });
          await device.request();
          await device.session.set(ResetDevice);
          return device;
        },
        inControl(t),
      );
      t.expect("a write was done", effect, false);
    },
  },
  {
    id: "reset/2",
    title: "a device can be set up again after RESET_DEVICE, starting with SET_FEATURES",
    strength: "MUST",
    section: RESET,
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const { session, rings, request } = await t.bringUp({ protocol: PROTOCOL });
      await request();
      for (const ring of rings.values()) await ring.stop();
      await session.set(ResetDevice);
      await session.set(SetFeatures, session.virtio);
      await (await t.bringUp({ session })).request();
    },
  },
  {
    id: "reset/7",
    title: "RESET_OWNER does not end the session",
    strength: "SHOULD",
    section: "VHOST_USER_RESET_OWNER",
    observes: ["service"],
    hostile: true,
    async run(t) {
      const session = await t.negotiatedSession();
      await session.send(ResetOwner);
      t.expect("the session stays open", await session.alive(), true);
    },
  },
  {
    id: "reset/8",
    title: "a second SET_OWNER does no harm",
    strength: "SHOULD",
    section: "VHOST_USER_SET_OWNER",
    observes: ["service"],
    async run(t) {
      const session = await t.negotiatedSession();
      await session.send(SetOwner);
      t.expect("the session stays open", await session.alive(), true);
    },
  },
  {
    id: "reset/9",
    title: "memory that was shared before RESET_DEVICE need not be shared again",
    strength: "SHOULD",
    section: RESET,
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const { session, memory, rings, request } = await t.bringUp({ protocol: PROTOCOL });
      await request();
      for (const ring of rings.values()) await ring.stop();
      await session.set(ResetDevice);
      await session.set(SetFeatures, session.virtio);
      // With CONFIGURE_MEM_SLOTS, QEMU sends differences alone, and a reset is none.
      await (await t.bringUp({ session, memory })).request();
    },
  },
];
