import { counted } from "../../../core/base/index.ts";
import {
  FrontendRequest,
  HeaderFlag,
  ProtocolFeature,
  VirtioFeature,
} from "../../../core/protocol/index.ts";
import type { FrontendCheck } from "../kit/check.ts";
import { nameOf } from "../kit/back-end/session.ts";
import { type FrontendContext, hasStarted, type MockedFrontend } from "../kit/front-end/context.ts";
import type { Conversation, Message } from "../kit/front-end/mock.ts";
import { firstOf, running, sent } from "../kit/front-end/trace.ts";
import { closingAt, inParts, passing, refusing, replying } from "../kit/front-end/tricks.ts";

const {
  AddMemReg,
  GetConfig,
  GetFeatures,
  GetInflightFd,
  GetVringBase,
  SetBackendReqFd,
  SetFeatures,
  SetInflightFd,
  SetMemTable,
  SetVringAddr,
  SetVringBase,
  SetVringEnable,
  SetVringKick,
} = FrontendRequest;

/** A request number that no specification defines. */
const UNKNOWN = 99;
/** Requests that a front-end may want acknowledged and that must succeed. */
const NEEDED = [SetMemTable, SetBackendReqFd, SetVringAddr, SetVringKick, SetVringEnable] as const;

/** Stops the machine, and returns the rings that were running. */
async function stopped(
  t: FrontendContext,
  { mock, run }: MockedFrontend,
): Promise<readonly number[]> {
  const [conversation] = mock.conversations.slice(-1);
  const rings = running(conversation?.messages ?? []);
  if (rings.length === 0) t.skip("it started no ring");
  await (await run.monitor()).execute("stop");
  return rings;
}

export const feReactions: readonly FrontendCheck[] = [
  {
    id: "fe/18",
    title: "GET_VRING_BASE stops every ring that runs, with num 0",
    strength: "MUST",
    section: "VHOST_USER_GET_VRING_BASE",
    observes: ["stop"],
    needsMonitor: true,
    async run(t) {
      const frontend = await t.meet();
      const before = frontend.mock.messages.length;
      const rings = await stopped(t, frontend);
      const asked = (): ReturnType<typeof sent<typeof GetVringBase>> =>
        sent(frontend.mock.messages.slice(before), GetVringBase);
      await t.settled(frontend, () => asked().length >= rings.length);
      const left = rings.filter((ring) => !asked().some(({ value }) => value.index === ring));
      t.expect("rings that were not stopped", left, []);
      for (const { value } of asked()) t.expect("num in GET_VRING_BASE", value.num, 0);
    },
  },
  {
    id: "fe/19",
    title: "a ring continues from the index that GET_VRING_BASE returned",
    strength: "MUST",
    section: "VHOST_USER_SET_VRING_BASE",
    observes: ["stop", "start"],
    needsMonitor: true,
    async run(t) {
      const bases = new Map<number, number>();
      const frontend = await t.meet({
        observe: (way, { header, payload }) => {
          if (way !== "sent" || header.request !== GetVringBase || payload.length < 8) return;
          const view = Buffer.from(payload);
          bases.set(view.readUInt32LE(0), view.readUInt32LE(4));
        },
      });
      const rings = await stopped(t, frontend);
      await t.settled(frontend, () => rings.every((ring) => bases.has(ring)));
      const before = frontend.mock.messages.length;
      await (await frontend.run.monitor()).execute("cont");
      const again = (): ReturnType<typeof sent<typeof SetVringBase>> =>
        sent(frontend.mock.messages.slice(before), SetVringBase);
      await t.settled(frontend, () => again().length >= rings.length);
      t.expectThat("after cont", again().length > 0, "rings that start again", "none does");
      for (const { value } of again()) {
        t.expect(`base of ring ${value.index} after cont`, value.num, bases.get(value.index));
      }
    },
  },
  {
    id: "fe/20",
    title: "a reply that arrives in several segments is understood",
    strength: "MUST",
    section: "Communication",
    observes: ["start"],
    async run(t) {
      const whole = hasStarted((await t.meet()).mock);
      const gapMs = Math.min(t.times.gapMs, 10);
      const { mock } = await t.meet(passing(() => inParts(gapMs)));
      if (!whole) return t.skip("the front-end starts no ring with unsplit replies either");
      t.expectThat(
        "replies in several segments",
        hasStarted(mock),
        "rings that start",
        "none does",
      );
    },
  },
  {
    id: "fe/22",
    title: "a reply to another request ends the session and does not crash the front-end",
    strength: "MUST",
    section: "Communication",
    observes: ["closed"],
    async run(t) {
      const other = passing(() =>
        replying(GetFeatures, (frame) => ({
          ...frame,
          header: { ...frame.header, request: UNKNOWN },
        })),
      );
      const frontend = await t.meet(
        other,
        (mock) => mock.conversations.some(({ closed }) => closed) || hasStarted(mock),
      );
      await t.survives(frontend, `after a reply with number ${UNKNOWN}`);
      const ended =
        frontend.run.end !== undefined || frontend.mock.conversations.some((c) => c.closed);
      if (ended) t.observe("closed");
      const { messages = [] } = frontend.mock.conversations[0] ?? {};
      // SET_OWNER may come before it: libblkio sends that first.
      const further = messages.length > firstOf(messages, [GetFeatures]) + 1;
      const actual = further ? "the session continues" : "the session neither continues nor ends";
      t.expectThat(
        "a reply with another request number",
        ended && !further,
        "the end of the session",
        actual,
      );
    },
  },
  {
    id: "fe/25",
    title: "a request that the back-end refused is not treated as a success",
    strength: "MUST",
    section: "VHOST_USER_PROTOCOL_F_REPLY_ACK",
    observes: ["service"],
    async run(t) {
      let refusals = 0;
      const without = { protocol: ProtocolFeature.ConfigureMemSlots };
      const usual = await t.meet({ without });
      const asks = (request: number, { header }: Message): boolean =>
        header.request === request && (header.flags & HeaderFlag.NeedReply) !== 0;
      const asked = NEEDED.filter((request) =>
        usual.mock.messages.some((message) => asks(request, message)),
      );
      await t.leave(usual);
      for (const request of asked) {
        const isAsked = asks.bind(undefined, request);
        const frontend = await t.boot({ ...passing(() => refusing(request)), without });
        await t.settled(frontend, (mock) => mock.messages.some(isAsked) || hasStarted(mock));
        await t.survives(frontend, `after ${nameOf(request)} was refused`);
        const [{ messages } = { messages: [] }] = frontend.mock.conversations;
        const refused = messages.findIndex(isAsked);
        const after = refused < 0 ? [] : messages.slice(refused + 1);
        const enabled = sent(after, SetVringEnable).filter(({ value }) => value.num === 1);
        // The front-end may repeat the request, which is refused again.
        const starts = [...sent(after, SetVringKick), ...enabled].filter(
          ({ message }) => !isAsked(message),
        ).length;
        t.expect(`rings that start although ${nameOf(request)} was refused`, starts, 0);
        if (refused >= 0) refusals += 1;
        await t.leave(frontend);
      }
      if (refusals === 0) t.skip("it asks for no acknowledgement");
    },
  },
  {
    id: "fe/27",
    title: "the front-end survives a back-end that closes the connection at any step",
    strength: "ROBUSTNESS",
    section: "Communication",
    observes: ["service"],
    slow: 4,
    async run(t) {
      const { mock } = await t.meet();
      const requests = (mock.conversations[0]?.messages ?? []).map(({ header }) => header.request);
      const steps = requests.flatMap((each, k) => (requests.indexOf(each) === k ? [k] : []));
      for (const k of steps) {
        const frontend = await t.boot(passing(() => closingAt(k)));
        await t.settled(frontend, ({ conversations }) =>
          conversations.some(({ closed }) => closed),
        );
        await t.survives(frontend, `after a close at ${nameOf(requests[k] ?? 0)}`);
        await t.leave(frontend);
      }
    },
  },
  {
    id: "fe/28",
    title:
      "after a reconnect the front-end repeats the set-up, with the same features and the in-flight region",
    strength: "MUST",
    section: "Inflight I/O tracking",
    observes: ["start"],
    async run(t) {
      const frontend = await t.meet();
      const [first] = frontend.mock.conversations;
      if (first === undefined || !hasStarted(frontend.mock)) return t.skip("it started no ring");
      first.session.close();
      const restarted = (): Conversation | undefined =>
        frontend.mock.conversations
          .slice(1)
          .find(({ messages }) => sent(messages, SetVringKick).length > 0);
      await t.settled(frontend, () => restarted() !== undefined);
      const second = restarted();
      if (second === undefined) {
        const came = frontend.mock.conversations.length > 1;
        return came
          ? t.fail("after a reconnect", "rings that start again", "none does")
          : t.skip("the front-end does not reconnect (QEMU: -chardev socket,reconnect=1)");
      }
      const features = ({ messages }: Conversation): bigint =>
        (sent(messages, SetFeatures).at(-1)?.value ?? 0n) & ~VirtioFeature.LogAll;
      t.expect("features after a reconnect", features(second), features(first));
      const { messages } = second;
      const kick = firstOf(messages, [SetVringKick]);
      const memory = firstOf(messages, [SetMemTable, AddMemReg]);
      t.expectThat(
        "memory after a reconnect",
        memory < kick,
        "shared before rings start",
        "not shared",
      );
      if (sent(first.messages, GetInflightFd).length === 0) return;
      const inflight = firstOf(messages, [SetInflightFd]);
      t.expectThat("SET_INFLIGHT_FD", inflight < kick, "sent before rings start", "not sent");
    },
  },
  {
    id: "fe/30",
    title: "GET_CONFIG is 12 bytes longer than the size that it states",
    strength: "MUST",
    section: "VHOST_USER_GET_CONFIG",
    observes: ["config"],
    async run(t) {
      const messages = await t.frontend();
      const asked = messages.filter(({ header }) => header.request === GetConfig);
      if (asked.length === 0) t.skip("it reads no configuration");
      for (const { header, payload } of asked) {
        t.expectThat("size of GET_CONFIG", payload.length >= 12, "12 or more", payload.length);
        const view = Buffer.from(payload);
        const [offset, size] = [view.readUInt32LE(0), view.readUInt32LE(4)];
        t.expect("size of GET_CONFIG", header.size, 12 + size);
        if (offset + size > 256) t.info(`it reads ${counted(size, "byte")} at ${offset}`);
      }
    },
  },
  {
    id: "fe/31",
    title: "a front-end does not use a configuration that it could not read",
    strength: "MUST",
    section: "VHOST_USER_GET_CONFIG",
    observes: ["config"],
    async run(t) {
      let refused = false;
      const empty = passing(() =>
        replying(GetConfig, ({ header, fds }) => {
          refused = true;
          return { header: { ...header, size: 0 }, payload: new Uint8Array(), fds };
        }),
      );
      const frontend = await t.meet(empty, (mock) => refused || hasStarted(mock));
      if (!refused) t.skip("it reads no configuration");
      await t.survives(frontend, "after an empty reply to GET_CONFIG");
      const { messages } = frontend.mock;
      if (firstOf(messages, [SetVringKick]) < firstOf(messages, [GetConfig]))
        t.skip("its rings run before it reads the configuration");
      const required = ((t.kit.requiredProtocol ?? 0n) & ProtocolFeature.Config) !== 0n;
      const starts = hasStarted(frontend.mock) && required;
      t.expectThat("a device without its configuration", !starts, "an error", "its rings start");
    },
  },
];
