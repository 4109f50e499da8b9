import { counted } from "../../../core/base/index.ts";
import { FrontendRequest, ProtocolFeature } from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import { BackChannel } from "../kit/back-end/back-channel.ts";

const { BackendReq, Config, Mq, ReplyAck } = ProtocolFeature;
const PROTOCOL = BackendReq | ReplyAck | Config | Mq;
const NEEDS = { protocol: BackendReq } as const;
const COMMUNICATION = "Back-end communication";

export const chan: readonly Check[] = [
  {
    id: "chan/1",
    title: "SET_BACKEND_REQ_FD with a socket is accepted",
    strength: "MUST",
    section: "VHOST_USER_SET_BACKEND_REQ_FD",
    observes: ["reply"],
    needs: NEEDS,
    async run(t) {
      const session = await t.negotiatedSession(undefined, PROTOCOL);
      await BackChannel.give(t, session);
      t.expect("the session stays open", await session.alive(), true);
    },
  },
  {
    id: "chan/2",
    title: "SET_BACKEND_REQ_FD without a descriptor is refused",
    strength: "MUST",
    section: "VHOST_USER_SET_BACKEND_REQ_FD",
    observes: ["refusal"],
    needs: NEEDS,
    hostile: true,
    async run(t) {
      const session = await t.negotiatedSession(undefined, PROTOCOL);
      const attempt = await session.attempt(FrontendRequest.SetBackendReqFd);
      t.reject("SET_BACKEND_REQ_FD without a descriptor", attempt, { served: "WARN" });
    },
  },
  {
    id: "chan/4",
    title:
      "messages on the back-end channel are well-formed: version 1, no reply bit, a known request",
    strength: "MUST",
    section: "Back-end message types",
    observes: ["data"],
    needs: { ...NEEDS, request: true },
    async run(t) {
      const session = await t.negotiatedSession(undefined, PROTOCOL);
      const channel = await BackChannel.give(t, session);
      const { ring, request } = await t.bringUp({ session });
      for (let i = 0; i < 3; i += 1) await request();
      await ring.stop();
      // Messages of the target arrive before this answer or soon after it.
      await session.alive();
      await session.pause(t.times.graceMs);
      t.expect("errors in these messages", channel.wrong, []);
      if (channel.count === 0) t.notJudged("the target sent no message");
      t.info(counted(channel.count, "message"));
    },
  },
  {
    id: "chan/7",
    title: "a front-end that closes the channel keeps its session",
    strength: "SHOULD",
    section: COMMUNICATION,
    observes: ["data"],
    needs: { ...NEEDS, request: true },
    hostile: true,
    async run(t) {
      const session = await t.negotiatedSession(undefined, PROTOCOL);
      const channel = await BackChannel.give(t, session);
      const { request } = await t.bringUp({ session });
      await request();
      channel.close();
      t.expect("the session stays open", await session.alive(), true);
      await request();
    },
  },
];
