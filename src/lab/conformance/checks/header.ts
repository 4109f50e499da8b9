import { counted } from "../../../core/base/index.ts";
import {
  FrontendRequest,
  HeaderFlag,
  ProtocolFeature,
  VirtioFeature,
} from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import { Flags, messageBytes } from "../../wire/index.ts";
import { nameOf, type Session } from "../kit/back-end/session.ts";

const { GetFeatures, GetProtocolFeatures, GetQueueNum, GetConfig } = FrontendRequest;

const UNKNOWN_REQUEST = 200;
const CONFIG = { offset: 0, flags: 0, data: new Uint8Array(8) };

/** Requests with their own reply that need no ring, with the feature that each requires. */
const OWN_REPLIES: readonly (readonly [request: number, feature: bigint, payload?: unknown])[] = [
  [GetFeatures, 0n],
  [GetProtocolFeatures, 0n],
  [GetQueueNum, ProtocolFeature.Mq],
  [FrontendRequest.GetMaxMemSlots, ProtocolFeature.ConfigureMemSlots],
  [GetConfig, ProtocolFeature.Config, CONFIG],
];

/** Sends an invalid request, and checks that the target still serves. */
async function survives(t: CheckContext, request: number): Promise<void> {
  const session = await t.negotiatedSession();
  await session.send(request);
  await t.survive(session);
}

/** Returns whether the target reads a payload of this size, sent with GET_FEATURES, which has none. */
async function reads(t: CheckContext, size: number): Promise<boolean> {
  t.closeSessions();
  const session = await t.connect();
  await session.send(GetFeatures, new Uint8Array(size));
  return (await session.answerOrEnd(`a payload of ${counted(size, "byte")}`)) !== "closed";
}

/** Sends a payload that differs from its structure in size. A target that serves it is warned about. */
async function wrongSize(t: CheckContext, request: number, payload: Uint8Array): Promise<void> {
  const session = await t.negotiatedSession();
  const attempt = await session.attempt(request, payload);
  const what = `${nameOf(request)} with ${counted(payload.length, "byte")}`;
  t.reject(what, attempt, { served: "WARN" });
  if (!attempt.alive) await t.newSession();
  t.closeSessions();
}

async function flagsOfReply(session: Session, flags: number): Promise<number | "closed"> {
  await session.send(GetFeatures, undefined, { flags });
  const next = await session.answerOrEnd("GET_FEATURES");
  return next === "closed" ? next : next.header.flags;
}

/**
 * The request that is refused otherwise is served when its header is right.
 *
 * @throws {CaseSkip}
 */
async function expectServed(t: CheckContext): Promise<void> {
  const session = await t.connect();
  const answer = await flagsOfReply(session, Flags.Request);
  if (answer === "closed") t.notJudged("GET_FEATURES with a right header ends the connection");
  t.closeSessions();
}

export const header: readonly Check[] = [
  {
    id: "header/1",
    title: "GET_FEATURES is answered with request 1 and 8 bytes",
    strength: "MUST",
    section: "Header; Front-end message types",
    observes: ["reply"],
    tags: ["smoke"],
    async run(t) {
      const session = await t.connect();
      await session.send(GetFeatures);
      const reply = await session.expectNext("GET_FEATURES");
      t.expect("request of the reply", reply.header.request, GetFeatures);
      t.expect("size of the reply", reply.header.size, 8);
    },
  },
  {
    id: "header/2",
    title: "reply flags carry version 1 and the reply bit, and nothing else",
    strength: "MUST",
    section: "Header",
    observes: ["reply"],
    tags: ["smoke"],
    async run(t) {
      const flags = await flagsOfReply(await t.connect(), Flags.Request);
      const right = HeaderFlag.VersionMask | HeaderFlag.Reply;
      t.expect("version and reply bit", Number(flags) & right, Flags.Reply);
      if (flags !== Flags.Reply) t.warn("further flag bits", "0x5", `0x${flags.toString(16)}`);
    },
  },
  {
    id: "header/3",
    title: "every reply has the reply bit set",
    strength: "MUST",
    section: "Header",
    observes: ["reply"],
    tags: ["smoke"],
    async run(t) {
      const session = await t.negotiatedSession(
        undefined,
        OWN_REPLIES.reduce((all, [, bit]) => all | bit, 0n),
      );
      for (const [request, feature, payload] of OWN_REPLIES) {
        if ((t.facts.protocol & feature) !== feature) continue;
        await session.send(request, payload);
        const { header: got } = await session.expectNext(nameOf(request));
        t.expect(`reply bit of ${nameOf(request)}`, got.flags & HeaderFlag.Reply, HeaderFlag.Reply);
      }
      session.close();
      if (t.hasKit) await (await t.bringUp()).ring.stop();
    },
  },
  {
    id: "header/4",
    title: "need_reply is not echoed in the request's own reply",
    strength: "SHOULD",
    section: "VHOST_USER_PROTOCOL_F_REPLY_ACK",
    observes: ["reply"],
    tags: ["smoke"],
    async run(t) {
      const flags = await flagsOfReply(await t.connect(), Flags.NeedReply);
      t.expect("flags of the reply", `0x${flags.toString(16)}`, "0x5");
    },
  },
  {
    id: "header/5",
    title: "need_reply on a request with its own reply causes no second answer",
    strength: "MUST",
    section: "VHOST_USER_PROTOCOL_F_REPLY_ACK",
    observes: ["reply"],
    tags: ["smoke"],
    needs: { protocol: ProtocolFeature.ReplyAck },
    async run(t) {
      const session = await t.negotiatedSession();
      await flagsOfReply(session, Flags.NeedReply);
      await session.send(GetProtocolFeatures);
      const { header: got } = await session.expectNext("GET_PROTOCOL_FEATURES");
      t.expect("the next message answers", nameOf(got.request), nameOf(GetProtocolFeatures));
    },
  },
  {
    id: "header/6",
    title: "replies come in the order of the requests",
    strength: "MUST",
    section: "Communication",
    observes: ["reply"],
    tags: ["smoke"],
    async run(t) {
      const session = await t.negotiatedSession();
      const asked = [GetFeatures, GetProtocolFeatures, GetQueueNum].filter(
        (request) => request !== GetQueueNum || (session.protocol & ProtocolFeature.Mq) !== 0n,
      );
      const bytes = Buffer.concat(asked.map((request) => messageBytes(request)));
      await session.sendBytes(bytes, { note: asked.map(nameOf).join(", ") });
      for (const request of asked) {
        const { header: got } = await session.expectNext(nameOf(request));
        t.expect("the next message answers", nameOf(got.request), nameOf(request));
      }
    },
  },
  {
    id: "header/7",
    title: "a wrong version is not served as version 1",
    strength: "SHOULD",
    section: "Header",
    observes: ["reply"],
    async run(t) {
      await expectServed(t);
      for (const version of [0, 2, 3]) {
        const answer = await flagsOfReply(await t.connect(), version);
        if (answer !== "closed") t.warn(`version ${version} is served`, "a close", "an answer");
        t.closeSessions();
      }
    },
  },
  {
    id: "header/8",
    title: "reserved flag bits are not echoed",
    strength: "SHOULD",
    section: "Header",
    observes: ["reply"],
    async run(t) {
      await expectServed(t);
      const flags = await flagsOfReply(await t.connect(), 0xffff_fff1);
      if (flags !== "closed") t.expect("flags of the reply", `0x${flags.toString(16)}`, "0x5");
    },
  },
  {
    id: "header/9",
    title: "a request with the reply bit set does not disturb the session",
    strength: "ROBUSTNESS",
    section: "Header",
    observes: ["service"],
    async run(t) {
      const session = await t.negotiatedSession();
      await session.send(GetFeatures, undefined, { flags: Flags.Reply });
      if ((t.facts.virtio & VirtioFeature.ProtocolFeatures) !== 0n) {
        // A target may answer it: conn/8 judges one that dies as it answers into a closed connection.
        await session.send(GetProtocolFeatures);
        const first = await session.answerOrEnd(nameOf(GetProtocolFeatures));
        if (first !== "closed" && first.header.request === GetFeatures)
          await session.answerOrEnd(nameOf(GetProtocolFeatures));
      }
      await t.survive(session);
    },
  },
  {
    id: "header/10",
    title: "an unknown request without need_reply does no harm",
    strength: "ROBUSTNESS",
    section: "Protocol features",
    observes: ["service"],
    run: async (t) => survives(t, UNKNOWN_REQUEST),
  },
  {
    id: "header/11",
    title: "an unknown request with need_reply is not acknowledged as a success",
    strength: "MUST",
    section: "VHOST_USER_PROTOCOL_F_REPLY_ACK",
    observes: ["refusal"],
    needs: { protocol: ProtocolFeature.ReplyAck },
    async run(t) {
      const session = await t.negotiatedSession();
      t.reject("an unknown request", await session.attempt(UNKNOWN_REQUEST));
    },
  },
  {
    id: "header/12",
    title: "request 0 does no harm",
    strength: "ROBUSTNESS",
    section: "Header",
    observes: ["service"],
    run: async (t) => survives(t, 0),
  },
  {
    id: "header/13",
    title: "request 0xffffffff does no harm",
    strength: "ROBUSTNESS",
    section: "Header",
    observes: ["service"],
    run: async (t) => survives(t, 0xffff_ffff),
  },
  {
    id: "header/14",
    title: "a message with a far too large size is refused, and no memory is allocated for it",
    strength: "ROBUSTNESS",
    section: "Header",
    observes: ["service"],
    needs: { process: true },
    async run(t) {
      const session = await t.negotiatedSession();
      const before = t.target.process?.figures()?.residentBytes ?? 0;
      await session.send(GetFeatures, undefined, { size: 0x7fff_ffff });
      if (!(await session.ends())) t.info("the target still waits for the rest");
      // By then it has done what it does with such a header.
      await t.newSession();
      const grown = (t.target.process?.figures()?.residentBytes ?? 0) - before;
      t.expectThat(
        "resident memory",
        grown < 16 << 20,
        "less than 16 MiB more",
        `${counted(grown, "byte")} more`,
      );
    },
  },
  {
    id: "header/15",
    title: "a payload above the target's limit ends the connection, not the target",
    strength: "ROBUSTNESS",
    section: "Header",
    observes: ["service"],
    async run(t) {
      let [low, high] = [0, 65_536];
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if (await reads(t, middle)) low = middle;
        else high = middle;
      }
      t.info(
        `largest payload that is read: ${counted(low === 65_535 ? "65535 or more" : low, "byte")}`,
      );
    },
  },
  {
    id: "header/16",
    title: "a surplus payload is not read as the next message",
    strength: "ROBUSTNESS",
    section: "Front-end message types",
    observes: ["service"],
    async run(t) {
      const session = await t.negotiatedSession();
      await session.send(GetFeatures, new Uint8Array(8));
      await session.send(GetProtocolFeatures);
      for (const request of [GetFeatures, GetProtocolFeatures]) {
        const next = await session.answerOrEnd("a surplus payload");
        if (next === "closed") break;
        t.expect("the next message answers", nameOf(next.header.request), nameOf(request));
      }
    },
  },
  {
    id: "header/17",
    title: "a payload shorter than its structure is refused",
    strength: "ROBUSTNESS",
    section: "Payload",
    observes: ["refusal"],
    async run(t) {
      await wrongSize(t, FrontendRequest.SetFeatures, new Uint8Array(4));
      await wrongSize(t, FrontendRequest.SetVringAddr, new Uint8Array(8));
    },
  },
  {
    id: "header/18",
    title: "a payload longer than its structure is refused, or its rest ignored",
    strength: "ROBUSTNESS",
    section: "Payload",
    observes: ["service"],
    async run(t) {
      const session = await t.negotiatedSession();
      const payload = new Uint8Array(16);
      payload[4] = 16;
      const { ack, alive } = await session.attempt(FrontendRequest.SetVringNum, payload);
      t.info(ack === 0n ? "ignored" : "refused");
      if (!alive) await t.newSession();
    },
  },
  {
    id: "header/19",
    title: "a request without its required payload is refused",
    strength: "ROBUSTNESS",
    section: "Payload",
    observes: ["refusal"],
    async run(t) {
      await wrongSize(t, FrontendRequest.SetVringAddr, new Uint8Array());
      await wrongSize(t, FrontendRequest.SetMemTable, new Uint8Array());
      if ((t.facts.protocol & ProtocolFeature.Config) === 0n) return;
      const session = await t.negotiatedSession();
      await session.send(GetConfig, new Uint8Array());
      await session.answerOrEnd("GET_CONFIG with 0 bytes");
      await t.survive(session);
    },
  },
];
