import { counted } from "../../../core/base/index.ts";
import {
  FrontendRequest,
  ProtocolFeature,
  protocolFeatureNames,
  VirtioFeature,
} from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import { Flags } from "../../wire/index.ts";
import { nameOf, type Session } from "../kit/back-end/session.ts";

const { GetFeatures, GetProtocolFeatures, SetProtocolFeatures, SetOwner } = FrontendRequest;
const GATE = { virtio: VirtioFeature.ProtocolFeatures };

/** Bits 0 to 23 are defined. */
const KNOWN = (1n << 24n) - 1n;
const UNASSIGNED_BIT = 1n << 40n;

const { BackendReq, ReplyAck, InflightShmfd, GetVringBaseInflight, GpaAddresses, Mq } =
  ProtocolFeature;
/** Features, each with the features that it requires. */
const IMPLIES: readonly (readonly [feature: bigint, needs: bigint])[] = [
  [ProtocolFeature.InbandNotifications, BackendReq | ReplyAck],
  [ProtocolFeature.BackendSendFd, BackendReq],
  [ProtocolFeature.HostNotifier, BackendReq | ProtocolFeature.BackendSendFd],
  [ProtocolFeature.Shmem, BackendReq],
  [GetVringBaseInflight, InflightShmfd],
  [ProtocolFeature.GetVringBaseSkipDrain, GetVringBaseInflight | InflightShmfd],
];

/** Requests that must not be served unless their feature was acknowledged. */
const GATED: readonly (readonly [request: number, feature: bigint, payload: Uint8Array])[] = [
  [FrontendRequest.GetConfig, ProtocolFeature.Config, u32(0, 8, 0, 0, 0)],
  [FrontendRequest.GetInflightFd, InflightShmfd, u32(0, 0, 0, 0, 0x0010_0001, 0)],
  [FrontendRequest.GetMaxMemSlots, ProtocolFeature.ConfigureMemSlots, new Uint8Array()],
  [FrontendRequest.SetStatus, ProtocolFeature.Status, u32(1, 0)],
  [FrontendRequest.GetShmemConfig, ProtocolFeature.Shmem, new Uint8Array()],
];

function u32(...words: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(words).buffer);
}

function needsOf(feature: bigint): bigint {
  return IMPLIES.find(([each]) => each === feature)?.[1] ?? 0n;
}

/** Returns the bits of a mask as separate masks. */
function bitsOf(mask: bigint): bigint[] {
  return Array.from({ length: 64 }, (_, i) => 1n << BigInt(i)).filter((bit) => (mask & bit) !== 0n);
}

async function offerOf(session: Session): Promise<bigint> {
  await session.call(GetFeatures);
  return session.call(GetProtocolFeatures);
}

/** Checks that a session with exactly these features serves requests, or at least answers. */
async function worksWith(t: CheckContext, protocol: bigint): Promise<void> {
  t.closeSessions();
  const session = await t.negotiatedSession(undefined, protocol);
  t.expect("the connection stays open", await session.alive(), true);
  if (t.hasKit) await (await t.bringUp({ session })).request();
}

export const proto: readonly Check[] = [
  {
    id: "proto/1",
    title: "GET_PROTOCOL_FEATURES is answered before SET_FEATURES and SET_OWNER",
    strength: "MUST",
    section: "VHOST_USER_GET_PROTOCOL_FEATURES",
    observes: ["reply"],
    tags: ["smoke"],
    needs: GATE,
    async run(t) {
      const session = await t.connect();
      await session.call(GetFeatures);
      await session.send(GetProtocolFeatures);
      const { header } = await session.expectNext(nameOf(GetProtocolFeatures));
      t.expect("request of the reply", header.request, GetProtocolFeatures);
      t.expect("size of the reply", header.size, 8);
    },
  },
  {
    id: "proto/2",
    title: "GET_PROTOCOL_FEATURES returns the same features each time",
    strength: "SHOULD",
    section: "VHOST_USER_GET_PROTOCOL_FEATURES",
    observes: ["reply"],
    tags: ["smoke"],
    needs: GATE,
    async run(t) {
      for (let i = 0; i < 2; i += 1) {
        const session = await t.connect();
        t.expect("the offer", await offerOf(session), t.facts.protocol);
        t.expect("the offer", await session.call(GetProtocolFeatures), t.facts.protocol);
        t.closeSessions();
      }
    },
  },
  {
    id: "proto/3",
    title: "only protocol features that exist are offered",
    strength: "SHOULD",
    section: "Protocol features",
    observes: ["reply"],
    needs: GATE,
    async run(t) {
      const offer = await offerOf(await t.connect());
      t.expect("bits beyond 23", offer & ~KNOWN, 0n);
    },
  },
  {
    id: "proto/4",
    title: "MQ is offered, also by a device with one queue",
    strength: "SHOULD",
    section: "Multiple queue support",
    observes: ["reply"],
    needs: GATE,
    async run(t) {
      const offer = await offerOf(await t.connect());
      t.expect("VHOST_USER_PROTOCOL_F_MQ", offer & ProtocolFeature.Mq, ProtocolFeature.Mq);
    },
  },
  {
    id: "proto/5",
    title: "the target may offer REPLY_ACK (recorded, not judged)",
    strength: "-",
    section: "VHOST_USER_PROTOCOL_F_REPLY_ACK",
    observes: ["reply"],
    needs: GATE,
    async run(t) {
      const offer = await offerOf(await t.connect());
      t.info(`REPLY_ACK ${(offer & ReplyAck) === 0n ? "is not offered" : "is offered"}`);
    },
  },
  {
    id: "proto/6",
    title: "INBAND_NOTIFICATIONS is offered together with BACKEND_REQ and REPLY_ACK",
    strength: "SHOULD",
    section: "In-band notifications",
    observes: ["reply"],
    needs: { protocol: ProtocolFeature.InbandNotifications },
    async run(t) {
      const offer = await offerOf(await t.connect());
      t.expect("both are offered", offer & (BackendReq | ReplyAck), BackendReq | ReplyAck);
    },
  },
  {
    id: "proto/7",
    title: "features that depend on other features are offered together with them",
    strength: "SHOULD",
    section: "Back-end communication; VHOST_USER_GET_VRING_BASE_SKIP_DRAIN",
    observes: ["reply"],
    needs: GATE,
    async run(t) {
      const offer = await offerOf(await t.connect());
      for (const [feature, needs] of IMPLIES.slice(1)) {
        if ((offer & feature) === 0n) continue;
        const [name] = protocolFeatureNames(feature);
        t.expect(`${name} comes with what it needs`, protocolFeatureNames(needs & ~offer), []);
      }
    },
  },
  {
    id: "proto/8",
    title: "any subset of the offer may be acknowledged: each feature alone, all, none",
    strength: "MUST",
    section: "VHOST_USER_SET_PROTOCOL_FEATURES",
    observes: ["data"],
    needs: GATE,
    async run(t) {
      // With XEN_MMAP regions look different, and only a Xen machine could map them.
      const offer = t.facts.protocol & KNOWN & ~ProtocolFeature.XenMmap;
      const sets = bitsOf(offer).map((feature) => feature | needsOf(feature));
      for (const set of [...sets, offer, 0n]) await worksWith(t, set);
    },
  },
  {
    id: "proto/9",
    title: "a protocol feature that was not offered is refused",
    strength: "SHOULD",
    section: "VHOST_USER_SET_PROTOCOL_FEATURES",
    observes: ["refusal"],
    needs: GATE,
    async run(t) {
      const session = await t.negotiatedSession();
      const attempt = await session.attempt(SetProtocolFeatures, session.protocol | UNASSIGNED_BIT);
      t.reject("SET_PROTOCOL_FEATURES with bit 40", attempt, { served: "WARN" });
    },
  },
  {
    id: "proto/10",
    title: "INBAND_NOTIFICATIONS without BACKEND_REQ and REPLY_ACK ends the connection",
    strength: "SHOULD",
    section: "In-band notifications",
    observes: ["reply"],
    needs: { protocol: ProtocolFeature.InbandNotifications },
    async run(t) {
      const session = await t.connect();
      await offerOf(session);
      await session.send(SetProtocolFeatures, ProtocolFeature.InbandNotifications);
      t.expect("the connection ends", !(await session.alive()), true);
    },
  },
  {
    id: "proto/11",
    title: "SET_PROTOCOL_FEATURES works without GET_PROTOCOL_FEATURES before it",
    strength: "MUST",
    section: "VHOST_USER_SET_PROTOCOL_FEATURES",
    observes: ["reply"],
    needs: { protocol: ReplyAck },
    async run(t) {
      const session = await t.connect();
      await session.call(GetFeatures);
      await session.send(SetProtocolFeatures, ReplyAck);
      await session.send(SetOwner, undefined, { flags: Flags.NeedReply });
      const { header } = await session.expectNext("SET_OWNER with need_reply");
      t.expect("it is acknowledged", nameOf(header.request), nameOf(SetOwner));
    },
  },
  {
    id: "proto/12",
    title: "requests of a feature that was not acknowledged are not served",
    strength: "SHOULD",
    section: "Protocol features",
    observes: ["reply"],
    needs: GATE,
    async run(t) {
      for (const [request, feature, payload] of GATED) {
        if ((t.facts.protocol & feature) === 0n) continue;
        t.closeSessions();
        const session = await t.negotiatedSession(undefined, 0n);
        await session.call(GetFeatures);
        await session.send(request, payload);
        await session.send(GetFeatures);
        const next = await session.answerOrEnd(nameOf(request));
        if (next === "closed" || next.header.request !== request) continue;
        t.warn(`${nameOf(request)} is served`, "an end, or no answer", "an answer");
        // conn/8 judges a target that dies as it answers into a closed connection.
        await session.answerOrEnd("GET_FEATURES");
      }
    },
  },
  {
    id: "proto/13",
    title: "with GPA_ADDRESSES acknowledged, rings are addressed by guest addresses",
    strength: "MUST",
    section: "A vring address description",
    observes: ["data"],
    needs: { request: true, protocol: GpaAddresses },
    // User addresses repeat guest addresses then, as the text demands: memory in two regions, rings
    // and buffers all over it, is what there is to get wrong.
    run: async (t) =>
      (
        await t.bringUp({ protocol: GpaAddresses | ReplyAck | Mq, regions: 2, spread: true })
      ).request(),
  },
  {
    id: "proto/14",
    title: "without GPA_ADDRESSES acknowledged, rings are addressed by user addresses",
    strength: "MUST",
    section: "A vring address description",
    observes: ["data"],
    needs: { request: true },
    run: async (t) => (await t.bringUp()).request(),
  },
  {
    id: "proto/15",
    title: "requests of a feature that only has to be offered work without its acknowledgement",
    strength: "SHOULD",
    section: "Front-end message types",
    observes: ["reply"],
    needs: { protocol: Mq },
    async run(t) {
      const requests = t.facts.kit?.requests ?? [];
      const wanted = requests.reduce((bits, { virtio }) => bits | virtio, 0n);
      const session = await t.negotiatedSession(t.usualVirtio | wanted, 0n);
      t.info(counted(await session.call(FrontendRequest.GetQueueNum), "queue"));
      for (const { request, protocol, virtio, payload } of requests) {
        const offered = (t.facts.protocol & protocol) !== 0n;
        if (!offered || (session.virtio & virtio) !== virtio) continue;
        await session.send(request, payload);
        t.expect(`${nameOf(request)}: the connection stays open`, await session.alive(), true);
      }
    },
  },
];
