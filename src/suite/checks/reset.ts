import { FrontendRequest, ProtocolFeature } from "../../protocol/index.ts";
import type { Check } from "../check.ts";
import type { CheckContext } from "../context.ts";
import { writesOn } from "../drive/effect.ts";

const { ResetDevice, ResetOwner, SetFeatures, SetOwner } = FrontendRequest;
const RESET = "VHOST_USER_RESET_DEVICE";
const PROTOCOL = ProtocolFeature.ReplyAck | ProtocolFeature.ResetDevice;
const NEEDS = { protocol: ProtocolFeature.ResetDevice, request: true } as const;

/** A running device that is reset and set up again. */
async function worksAgain(t: CheckContext, ...behind: readonly FrontendRequest[]): Promise<void> {
  const { session, request } = await t.up({ protocol: PROTOCOL });
  await request();
  await session.set(ResetDevice);
  for (const each of behind)
    await session.set(each, each === SetFeatures ? session.virtio : undefined);
  await (await t.up({ session })).request();
}

export const reset: readonly Check[] = [
  {
    id: "reset/1",
    title: "after RESET_DEVICE requests on rings have no effect",
    strength: "MUST",
    section: RESET,
    needs: NEEDS,
    async run(t) {
      const effect = await writesOn(t, async () => {
        const up = await t.up({ protocol: PROTOCOL });
        await up.request();
        await up.session.set(ResetDevice);
        return up;
      });
      t.expect("a write was done", effect, false);
    },
  },
  {
    id: "reset/2",
    title: "a device can be set up again after RESET_DEVICE",
    strength: "MUST",
    section: RESET,
    needs: NEEDS,
    run: async (t) => worksAgain(t, SetOwner, SetFeatures),
  },
  {
    id: "reset/3",
    title: "the session is still owned after RESET_DEVICE",
    strength: "MUST",
    section: RESET,
    needs: NEEDS,
    run: async (t) => worksAgain(t, SetFeatures),
  },
  {
    id: "reset/7",
    title: "RESET_OWNER does not end the session",
    strength: "SHOULD",
    section: "VHOST_USER_RESET_OWNER",
    hostile: true,
    async run(t) {
      const session = await t.neg();
      await session.send(ResetOwner);
      t.expect("the session goes on", await session.alive(), true);
    },
  },
  {
    id: "reset/8",
    title: "a second SET_OWNER does no harm",
    strength: "SHOULD",
    section: "VHOST_USER_SET_OWNER",
    async run(t) {
      const session = await t.neg();
      await session.send(SetOwner);
      t.expect("the session goes on", await session.alive(), true);
    },
  },
];
