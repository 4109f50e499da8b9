import { EventFd } from "../../../core/os/index.ts";
import { FrontendRequest, ProtocolFeature, VirtioFeature } from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import { writesOn } from "../kit/back-end/effect.ts";
import type { RingStep } from "../kit/back-end/ring.ts";
import { Flags, type Received } from "../../wire/index.ts";
import { nameOf, type Session } from "../kit/back-end/session.ts";

const {
  GetFeatures,
  SetFeatures,
  SetMemTable,
  SetOwner,
  SetProtocolFeatures,
  SetVringAddr,
  SetVringCall,
  SetVringEnable,
} = FrontendRequest;
const ACK = { protocol: ProtocolFeature.ReplyAck };

/** The requests of a bring-up that have no reply of their own. */
function bringUpSteps(t: CheckContext, session: Session): RingStep[] {
  const memory = t.createMemory();
  const ring = t.ring(session, memory, 0);
  return [
    { request: SetProtocolFeatures, payload: session.protocol, fds: [] },
    { request: SetOwner, payload: undefined, fds: [] },
    { request: SetFeatures, payload: t.usualVirtio, fds: [] },
    { request: SetMemTable, payload: memory.table, fds: memory.fds },
    ...ring.steps,
    { request: SetVringEnable, payload: { index: 0, num: 1 }, fds: [] },
  ].filter(({ request }) => request !== SetVringEnable || gate(t));
}

function gate({ facts }: CheckContext): boolean {
  return (facts.virtio & VirtioFeature.ProtocolFeatures) !== 0n;
}

/** Opens a session with only REPLY_ACK acknowledged. */
async function acking(t: CheckContext): Promise<Session> {
  const session = await t.connect();
  await session.call(GetFeatures);
  await session.call(FrontendRequest.GetProtocolFeatures);
  await session.send(SetProtocolFeatures, ProtocolFeature.ReplyAck);
  session.protocol = ProtocolFeature.ReplyAck;
  return session;
}

/** Brings a device up and returns every acknowledgement. */
async function acknowledgements(
  t: CheckContext,
  look: (name: string, answer: Received) => void,
): Promise<void> {
  const session = await acking(t);
  for (const { request, payload, fds } of bringUpSteps(t, session)) {
    await session.send(request, payload, { flags: Flags.NeedReply, fds });
    look(nameOf(request), await session.expectNext(nameOf(request)));
  }
}

/** Requests that cannot succeed, each for a session of its own. */
async function mustFail(
  t: CheckContext,
  served: "FAIL" | "WARN" | "INFO",
  request: number,
  payload: unknown,
  protocol = 0n,
): Promise<void> {
  if ((t.facts.protocol & protocol) !== protocol) return;
  t.closeSessions();
  const session = await t.negotiatedSession(undefined, ProtocolFeature.ReplyAck | protocol);
  t.reject(nameOf(request), await session.attempt(request, payload), { served });
}

export const ack: readonly Check[] = [
  {
    id: "ack/1",
    title: "each request without a reply of its own is acknowledged with 0 when it succeeds",
    strength: "MUST",
    section: "VHOST_USER_PROTOCOL_F_REPLY_ACK",
    observes: ["reply"],
    tags: ["smoke"],
    needs: ACK,
    async run(t) {
      await acknowledgements(t, (name, { header, payload }) => {
        t.expect(`${name}: the next message answers`, nameOf(header.request), name);
        t.expect(`${name}: size of the acknowledgement`, header.size, 8);
        t.expect(`${name}: acknowledgement`, Buffer.from(payload).readBigUInt64LE(0), 0n);
      });
    },
  },
  {
    id: "ack/2",
    title: "without need_reply nothing is acknowledged",
    strength: "MUST",
    section: "VHOST_USER_PROTOCOL_F_REPLY_ACK",
    observes: ["reply"],
    tags: ["smoke"],
    async run(t) {
      const session = await t.negotiatedSession();
      for (const { request, payload, fds } of bringUpSteps(t, session)) {
        // SET_OWNER was sent before, and reset/8 is about a second one.
        if (request !== SetOwner) await session.send(request, payload, { fds });
      }
      await session.send(GetFeatures);
      const { header } = await session.expectNext("GET_FEATURES");
      t.expect("the next message answers", nameOf(header.request), nameOf(GetFeatures));
    },
  },
  {
    id: "ack/3",
    title: "need_reply is ignored where REPLY_ACK was not acknowledged",
    strength: "SHOULD",
    section: "VHOST_USER_PROTOCOL_F_REPLY_ACK",
    observes: ["reply"],
    async run(t) {
      const session = await t.connect();
      await session.call(GetFeatures);
      if (gate(t)) await session.send(SetProtocolFeatures, 0n);
      // This is the first SET_OWNER: reset/8 is about a second one.
      await session.send(SetOwner, undefined, { flags: Flags.NeedReply });
      await session.send(GetFeatures);
      const { header } = await session.expectNext("GET_FEATURES");
      // conn/8 judges a target that dies as it answers into a closed connection.
      if (header.request !== GetFeatures) await session.answerOrEnd("GET_FEATURES");
      t.expect("the next message answers", nameOf(header.request), nameOf(GetFeatures));
    },
  },
  {
    id: "ack/4",
    title: "an acknowledgement carries no descriptors",
    strength: "SHOULD",
    section: "VHOST_USER_PROTOCOL_F_REPLY_ACK",
    observes: ["reply"],
    needs: ACK,
    async run(t) {
      await acknowledgements(t, (name, { fds }) => {
        t.expect(`${name}: descriptors with the acknowledgement`, fds.length, 0);
      });
    },
  },
  {
    id: "ack/5",
    title: "a request that fails is not acknowledged with 0",
    strength: "MUST",
    section: "VHOST_USER_PROTOCOL_F_REPLY_ACK",
    observes: ["refusal"],
    needs: ACK,
    async run(t) {
      const memory = t.createMemory({ regions: 2 });
      const session = await t.negotiatedSession();
      const table = await session.attempt(SetMemTable, memory.table, {
        fds: memory.fds.slice(0, 1),
      });
      t.reject("SET_MEM_TABLE with two regions and one descriptor", table);
      if (table.ack === undefined && !table.alive) {
        t.warn("SET_MEM_TABLE", "a non-zero acknowledgement", "a close without one");
      }
      // Nothing is mapped there. The target may detect it only when the ring starts.
      const address = t.ring(session, memory, 0).address;
      await mustFail(t, "INFO", SetVringAddr, address);
    },
  },
  {
    id: "ack/6",
    title: "requests that cannot succeed are not acknowledged with 0",
    strength: "MUST",
    section: "VHOST_USER_PROTOCOL_F_REPLY_ACK; VHOST_USER_SET_CONFIG; VHOST_USER_NET_SET_MTU",
    observes: ["refusal"],
    needs: ACK,
    async run(t) {
      const { Config, Mtu, ConfigureMemSlots } = ProtocolFeature;
      const field = t.facts.kit?.readOnlyField;
      if (field !== undefined) {
        const data = new Uint8Array(field.size).fill(0x5a);
        const value = { offset: field.offset, flags: 0, data };
        await mustFail(t, "FAIL", FrontendRequest.SetConfig, value, Config);
      }
      await mustFail(t, "FAIL", FrontendRequest.NetSetMtu, 10n, Mtu);
      await mustFail(t, "WARN", FrontendRequest.SetVringNum, { index: 0, num: 0 });
      if (gate(t)) await mustFail(t, "WARN", SetVringEnable, { index: 1024, num: 1 });
      const [region] = t.createMemory().table.regions;
      await mustFail(t, "WARN", FrontendRequest.RemMemReg, { region }, ConfigureMemSlots);
    },
  },
  {
    id: "ack/7",
    title: "after a failure that was acknowledged, the session still works",
    strength: "SHOULD",
    section: "VHOST_USER_PROTOCOL_F_REPLY_ACK",
    observes: ["data"],
    needs: { ...ACK, request: true },
    async run(t) {
      const memory = t.createMemory({ regions: 2 });
      const session = await t.negotiatedSession();
      const one = { fds: memory.fds.slice(0, 1) };
      const { ack: value, alive } = await session.attempt(SetMemTable, memory.table, one);
      if (!alive) return t.info("closed after the failure");
      if (value === 0n) t.skip("the request that must fail did not");
      await (await t.bringUp({ session })).request();
    },
  },
  {
    id: "ack/8",
    title: "once SET_MEM_TABLE is acknowledged, the memory is mapped",
    strength: "MUST",
    section: "VHOST_USER_PROTOCOL_F_REPLY_ACK",
    observes: ["data"],
    needs: { ...ACK, request: true },
    async run(t) {
      const { request } = await t.bringUp({ closeMemory: true });
      await request();
    },
  },
  {
    id: "ack/9",
    title: "once SET_VRING_ENABLE 0 is acknowledged, a request has no effects",
    strength: "MUST",
    section: "Ring states",
    observes: ["effect"],
    needs: { ...ACK, request: true, virtio: VirtioFeature.ProtocolFeatures },
    async run(t) {
      const effect = await writesOn(t, async () => {
        const device = await t.bringUp();
        await device.request();
        await device.ring.enable(false);
        return device;
      });
      t.expect("a write was done", effect, false);
    },
  },
  {
    id: "ack/10",
    title: "once SET_VRING_CALL is acknowledged, only the new descriptor is signalled",
    strength: "MUST",
    section: "VHOST_USER_SET_VRING_CALL",
    observes: ["call", "data"],
    needs: { ...ACK, request: true },
    async run(t) {
      const { session, ring, request } = await t.bringUp();
      await request();
      const next = t.closing(EventFd.create());
      const old = ring.call;
      await session.set(SetVringCall, { index: ring.index, noFd: false }, [next.descriptor]);
      old.drain();
      ring.call = next;
      for (let i = 0; i < 3; i += 1) await request();
      t.expect("a call on the new descriptor", await ring.called(), true);
      t.expect("a call on the old one", old.drain(), false);
    },
  },
];
