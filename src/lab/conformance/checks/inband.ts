import { FrontendRequest, ProtocolFeature } from "../../../core/protocol/index.ts";
import { BackChannel } from "../kit/back-end/back-channel.ts";
import type { Check } from "../kit/check.ts";

const { SetVringKick, VringKick } = FrontendRequest;
const { BackendReq, InbandNotifications, Mq, ReplyAck } = ProtocolFeature;
/** The specification wants all three of them for kicks as messages. */
const PROTOCOL = InbandNotifications | BackendReq | ReplyAck;

export const inband: readonly Check[] = [
  {
    id: "inband/1",
    title: "VRING_KICK starts a ring that has no kick descriptor, and has its requests served",
    strength: "MUST",
    section: "VHOST_USER_VRING_KICK",
    observes: ["data"],
    needs: { protocol: PROTOCOL, request: true },
    async run(t) {
      const session = await t.negotiatedSession(undefined, PROTOCOL | Mq);
      await BackChannel.give(t, session);
      const { ring, memory } = await t.bringUp({
        session,
        start: async (made) => {
          await made.setUp(SetVringKick);
        },
      });
      for (let i = 0; i < 3; i += 1) {
        const request = t.kit.request(memory);
        ring.push(request.readable, request.writable);
        await session.set(VringKick, { index: ring.index, num: 0 });
        t.expectAnswer(request, await ring.expectCompletion("a request"));
      }
    },
  },
];
