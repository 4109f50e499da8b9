import { EventFd } from "../../../core/os/index.ts";
import { FrontendRequest, ProtocolFeature } from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import { Flags, messageBytes } from "../../wire/index.ts";
import { nameOf, type Session } from "../kit/back-end/session.ts";

const { GetFeatures, SetFeatures, SetVringCall, SetVringKick } = FrontendRequest;

const everyByte = (from: number, to: number): number[] =>
  Array.from({ length: to - from - 1 }, (_, i) => from + i + 1);

/** Sends a message in parts. It must be answered; the end of the connection is a warning. */
async function inParts(
  t: CheckContext,
  bytes: Uint8Array,
  request: number,
  cuts: readonly number[],
): Promise<void> {
  const session = await t.negotiatedSession();
  await session.sendParts(bytes, cuts, nameOf(request));
  const next = await session.answerOrEnd(nameOf(request));
  if (next === "closed")
    return t.warn("a message in several segments", "its answer", "the end of the connection");
  t.expect("the next message answers", nameOf(next.header.request), nameOf(request));
  await goesOn(t, session);
}

/** Checks the next message: a target that answered the first part reads the rest as another message. */
async function goesOn(t: CheckContext, session: Session): Promise<void> {
  if (await session.alive()) return;
  t.warn("after a message in several segments", "further answers", "the end of the connection");
}

/** Sends the beginning of a message and closes the connection. */
async function endsWithin(t: CheckContext, bytes: Uint8Array, note: string): Promise<void> {
  (await t.newSession()).close();
  const before = await t.descriptors();
  const session = await t.negotiatedSession();
  await session.sendBytes(bytes, { note });
  // A target that reads both at once may see only the end.
  await session.pause(t.times.gapMs);
  session.close();
  (await t.newSession()).close();
  await t.expectDescriptors(before);
}

export const framing: readonly Check[] = [
  {
    id: "framing/1",
    title: "a header that arrives in two segments is understood",
    strength: "ROBUSTNESS",
    section: "Communication",
    observes: ["reply"],
    run: async (t) => inParts(t, messageBytes(GetFeatures), GetFeatures, [6]),
  },
  {
    id: "framing/2",
    title: "a header that arrives byte by byte is understood",
    strength: "ROBUSTNESS",
    section: "Communication",
    observes: ["reply"],
    run: async (t) => inParts(t, messageBytes(GetFeatures), GetFeatures, everyByte(0, 12)),
  },
  {
    id: "framing/3",
    title: "a payload that arrives after its header is understood",
    strength: "ROBUSTNESS",
    section: "Communication",
    observes: ["reply"],
    needs: { protocol: ProtocolFeature.ReplyAck },
    async run(t) {
      const bytes = messageBytes(SetFeatures, t.usualVirtio, { flags: Flags.NeedReply });
      await inParts(t, bytes, SetFeatures, [12]);
    },
  },
  {
    id: "framing/4",
    title: "a payload that arrives byte by byte is understood",
    strength: "ROBUSTNESS",
    section: "Communication",
    observes: ["reply"],
    needs: { protocol: ProtocolFeature.ReplyAck },
    async run(t) {
      const bytes = messageBytes(SetFeatures, t.usualVirtio, { flags: Flags.NeedReply });
      await inParts(t, bytes, SetFeatures, everyByte(12, 20));
    },
  },
  {
    id: "framing/5",
    title: "several messages in one segment are all served",
    strength: "MUST",
    section: "Communication",
    observes: ["reply"],
    tags: ["smoke", "hostile"],
    async run(t) {
      const session = await t.negotiatedSession();
      const bytes = Buffer.concat(Array.from({ length: 5 }, () => messageBytes(GetFeatures)));
      await session.sendBytes(bytes, { note: "GET_FEATURES, five times" });
      for (let i = 1; i <= 5; i += 1) {
        const { header } = await session.expectNext(`GET_FEATURES, ${i} of 5`);
        t.expect("the next message answers", header.request, GetFeatures);
      }
    },
  },
  {
    id: "framing/6",
    title: "a message split across two reads is reassembled",
    strength: "ROBUSTNESS",
    section: "Communication",
    observes: ["reply"],
    async run(t) {
      const session = await t.negotiatedSession();
      const bytes = Buffer.concat([messageBytes(GetFeatures), messageBytes(GetFeatures)]);
      await session.sendParts(bytes, [18], "GET_FEATURES, twice");
      for (const which of ["the first", "the second"]) {
        const next = await session.answerOrEnd(`${which} GET_FEATURES`);
        if (next === "closed") return t.warn(which, "its answer", "the end of the connection");
        t.expect("the next message answers", next.header.request, GetFeatures);
      }
      await goesOn(t, session);
    },
  },
  {
    id: "framing/7",
    title: "descriptors sent with the first byte of a split message belong to that message",
    strength: "SHOULD",
    section: "Communication",
    observes: ["data"],
    tags: ["hostile"],
    needs: { request: true },
    async run(t) {
      const { request } = await t.bringUp({
        start: async (ring) => {
          const session = await ring.setUp(SetVringKick);
          const { payload, fds } = ring.step(SetVringKick);
          const bytes = messageBytes(SetVringKick, payload);
          await session.sendParts(bytes, [1], nameOf(SetVringKick), fds);
        },
      });
      await request();
    },
  },
  {
    id: "framing/8",
    title: "a descriptor sent with a later byte does no harm and is not leaked",
    strength: "ROBUSTNESS",
    section: "Communication",
    observes: ["figures"],
    needs: { process: true },
    async run(t) {
      (await t.newSession()).close();
      const before = await t.descriptors();
      const session = await t.negotiatedSession();
      const event = EventFd.create();
      const bytes = messageBytes(SetVringKick, { index: 0, noFd: false });
      await session.sendParts(bytes, [12], nameOf(SetVringKick), [event.descriptor], 1);
      event.close();
      await t.survive(session);
      t.closeSessions();
      await t.expectDescriptors(before);
    },
  },
  {
    id: "framing/9",
    title: "the descriptors of two messages back to back are not mixed up",
    strength: "MUST",
    section: "Communication",
    observes: ["call", "data"],
    tags: ["hostile"],
    needs: { request: true },
    async run(t) {
      const { ring, request } = await t.bringUp({
        start: async (each) => {
          const session = await each.setUp(SetVringKick, SetVringCall);
          const steps = [each.step(SetVringKick), each.step(SetVringCall)];
          const sent = steps.map(async ({ request: number, payload, fds }) =>
            session.send(number, payload, { fds }),
          );
          await Promise.all(sent);
        },
      });
      await request();
      t.expect("the call arrives on the call's descriptor", await ring.called(), true);
    },
  },
  {
    id: "framing/10",
    title: "a connection that ends in the middle of a header leaks nothing",
    strength: "ROBUSTNESS",
    section: "Communication",
    observes: ["figures"],
    needs: { process: true },
    run: async (t) => endsWithin(t, messageBytes(GetFeatures).subarray(0, 5), "half a header"),
  },
  {
    id: "framing/11",
    title: "a connection that ends in the middle of a payload leaks nothing",
    strength: "ROBUSTNESS",
    section: "Communication",
    observes: ["figures"],
    needs: { process: true },
    async run(t) {
      const bytes = messageBytes(SetFeatures, t.usualVirtio).subarray(0, 15);
      await endsWithin(t, bytes, "a header and 3 bytes of a payload");
    },
  },
  {
    id: "framing/12",
    title: "a front-end that half-closes the connection still receives its pending replies",
    strength: "ROBUSTNESS",
    section: "Communication",
    observes: ["reply"],
    async run(t) {
      const session = await t.connect();
      await session.send(GetFeatures);
      session.endWriting();
      const next = await session.answerOrEnd("GET_FEATURES");
      if (next === "closed") t.warn("a pending reply", "the reply", "the end of the connection");
      if (!(await session.ends())) t.warn("a half-closed connection", "a close", "it stays open");
    },
  },
  {
    id: "framing/13",
    title: "the target serves other connections while one front-end never reads",
    strength: "ROBUSTNESS",
    section: "Communication",
    observes: ["service"],
    async run(t) {
      const session = await t.connect(false);
      const many = Buffer.concat(Array.from({ length: 1000 }, () => messageBytes(GetFeatures)));
      for (let i = 0; i < 20; i += 1)
        void session.sendBytes(many, { note: "GET_FEATURES, 1000 times" });
      await session.pause(t.times.answerMs / 5);
      await t.newSession();
    },
  },
];
