import { counted } from "../../../core/base/index.ts";
import {
  FrontendRequest,
  ProtocolFeature,
  VirtioFeature,
  virtioFeatureNames,
} from "../../../core/protocol/index.ts";
import type { Check } from "../kit/check.ts";
import type { CheckContext } from "../kit/back-end/context.ts";
import type { RunningDevice } from "../kit/back-end/running-device.ts";
import { writesOn } from "../kit/back-end/effect.ts";
import { servedMeanwhile } from "./features-log.ts";
import { Flags } from "../../wire/index.ts";

const { GetFeatures, GetProtocolFeatures, SetFeatures, SetOwner, SetProtocolFeatures } =
  FrontendRequest;
const GATE = VirtioFeature.ProtocolFeatures;

const bit = (number: number): bigint => 1n << BigInt(number);
const bits = (...numbers: readonly number[]): bigint =>
  numbers.reduce((mask, number) => mask | bit(number), 0n);

/** Bits that the specification reserves and that no target implements, highest first. */
function foreignBit({ facts }: CheckContext): bigint {
  for (const number of [49, 48, 47, 46, 45, 44, 25]) {
    if ((facts.virtio & bit(number)) === 0n) return bit(number);
  }
  return 0n;
}

/** Writes on a ring that was never enabled. */
async function neverEnabled(t: CheckContext, virtio: bigint): Promise<boolean> {
  const control = async (): Promise<RunningDevice> => t.bringUp({ virtio });
  return writesOn(t, async () => t.bringUp({ virtio, enable: false }), { control });
}

export const features: readonly Check[] = [
  {
    id: "features/1",
    title: "GET_FEATURES returns the same features each time",
    strength: "SHOULD",
    section: "VHOST_USER_GET_FEATURES",
    observes: ["reply"],
    tags: ["smoke"],
    async run(t) {
      for (let i = 0; i < 2; i += 1) {
        const session = await t.connect();
        for (let j = 0; j < 3; j += 1) {
          t.expect("the offer", await session.call(GetFeatures), t.facts.virtio);
        }
        t.closeSessions();
      }
    },
  },
  {
    id: "features/2",
    title: "VIRTIO_F_VERSION_1 is offered",
    strength: "MUST",
    section: "VIRTIO 6.2",
    observes: ["reply"],
    tags: ["smoke"],
    async run(t) {
      const offer = await (await t.connect()).call(GetFeatures);
      t.expect("bit 32", offer & VirtioFeature.Version1, VirtioFeature.Version1);
    },
  },
  {
    id: "features/3",
    title: "VHOST_USER_F_PROTOCOL_FEATURES is offered",
    strength: "SHOULD",
    section: "Communication; Multiple queue support",
    observes: ["reply"],
    tags: ["smoke"],
    async run(t) {
      const offer = await (await t.connect()).call(GetFeatures);
      t.expect("bit 30", offer & GATE, GATE);
    },
  },
  {
    id: "features/4",
    title: "no feature is offered that cannot work over vhost-user (SR_IOV, ADMIN_VQ)",
    strength: "MUST",
    section: "VIRTIO 2.2.2, 6.2",
    observes: ["reply"],
    tags: ["smoke"],
    async run(t) {
      const offer = await (await t.connect()).call(GetFeatures);
      t.expect("VIRTIO_F_SR_IOV", offer & VirtioFeature.SrIov, 0n);
      if ((offer & VirtioFeature.AdminVq) !== 0n) t.warn("VIRTIO_F_ADMIN_VQ", "0", "1");
    },
  },
  {
    id: "features/5",
    title: "the whole offer is accepted",
    strength: "MUST",
    section: "VHOST_USER_SET_FEATURES; VIRTIO 2.2.2",
    observes: ["reply"],
    tags: ["smoke"],
    async run(t) {
      const session = await t.negotiatedSession();
      const special = VirtioFeature.LogAll | VirtioFeature.AccessPlatform;
      const { ack = 0n, alive } = await session.attempt(SetFeatures, t.facts.virtio & ~special);
      t.expect("acknowledgement", ack, 0n);
      t.expect("the connection stays open", alive, true);
    },
  },
  {
    id: "features/6",
    title: "a device works with only VERSION_1 and PROTOCOL_FEATURES acknowledged",
    strength: "SHOULD",
    section: "VHOST_USER_SET_FEATURES; VIRTIO 2.2.2",
    observes: ["data"],
    tags: ["smoke"],
    needs: { request: true },
    run: async (t) => (await t.bringUp({ virtio: VirtioFeature.Version1 | GATE })).request(),
  },
  {
    id: "features/7",
    title: "a feature that was not offered is refused",
    strength: "SHOULD",
    section: "VIRTIO 2.2.1, 2.2.2",
    observes: ["refusal"],
    async run(t) {
      const session = await t.negotiatedSession();
      const foreign = foreignBit(t);
      const attempt = await session.attempt(SetFeatures, session.virtio | foreign);
      t.reject(`SET_FEATURES with bit ${foreign.toString(2).length - 1}`, attempt, {
        served: "WARN",
      });
    },
  },
  {
    id: "features/8",
    title: "a front-end without VERSION_1 is served or refused",
    strength: "ROBUSTNESS",
    section: "VIRTIO 2.2.3",
    observes: ["service"],
    async run(t) {
      const session = await t.negotiatedSession();
      await session.send(SetFeatures, 0n);
      await t.survive(session);
    },
  },
  {
    id: "features/9",
    title: "SET_FEATURES may be repeated before rings start, and the last one counts",
    strength: "SHOULD",
    section: "VHOST_USER_SET_FEATURES",
    observes: ["call", "data"],
    needs: { request: true, virtio: VirtioFeature.EventIdx },
    async run(t) {
      const session = await t.negotiatedSession(t.usualVirtio | VirtioFeature.EventIdx);
      await session.set(SetFeatures, t.usualVirtio);
      session.virtio = t.usualVirtio;
      const { ring, request } = await t.bringUp({ session });
      const { raw } = ring.queue;
      // A distant used_event: a device that still used event indices would not call.
      if (raw.format === "split") raw.available[raw.usedEventIndex] = 0x4000;
      for (let i = 0; i < 4; i += 1) {
        await request();
        t.expect("a call, as only the flags count", await ring.called(), true);
      }
    },
  },
  {
    id: "features/10",
    title: "SET_FEATURES with the same features while rings run changes nothing",
    strength: "MUST",
    section: "Ring states; Migration",
    observes: ["data"],
    needs: { request: true },
    async run(t) {
      const running = await t.bringUp();
      const { session, request } = running;
      await request();
      await servedMeanwhile(t, running, async () => session.set(SetFeatures, session.virtio));
      await request();
    },
  },
  {
    id: "features/12",
    title: "protocol features are negotiated without PROTOCOL_FEATURES being acknowledged",
    strength: "MUST",
    section: "VHOST_USER_GET_PROTOCOL_FEATURES",
    observes: ["reply"],
    needs: { virtio: GATE },
    async run(t) {
      const session = await t.connect();
      await session.call(GetFeatures);
      const offer = await session.call(GetProtocolFeatures);
      await session.send(SetProtocolFeatures, offer & ProtocolFeature.ReplyAck);
      if ((offer & ProtocolFeature.ReplyAck) === 0n) {
        t.expect("the connection stays open", await session.alive(), true);
        return;
      }
      await session.send(SetOwner, undefined, { flags: Flags.NeedReply });
      const { header } = await session.expectNext("SET_OWNER with need_reply");
      t.expect("it is acknowledged", header.request, SetOwner);
    },
  },
  {
    id: "features/13",
    title: "without PROTOCOL_FEATURES acknowledged every ring is enabled",
    strength: "MUST",
    section: "Ring states",
    observes: ["data"],
    needs: { request: true },
    run: async (t) => (await t.bringUp({ virtio: VirtioFeature.Version1 })).request(),
  },
  {
    id: "features/14",
    title: "with PROTOCOL_FEATURES acknowledged, a ring that was not enabled has no effects",
    strength: "MUST",
    section: "Ring states",
    observes: ["effect"],
    needs: { request: true, virtio: GATE },
    async run(t) {
      for (const device of [0n, bits(1, 2, 3, 4)]) {
        const effect = await neverEnabled(t, VirtioFeature.Version1 | GATE | device);
        const which = device === 0n ? "clear" : "set";
        t.expect(`a write was done, with device bits 1 to 4 ${which}`, effect, false);
      }
    },
  },
  {
    id: "features/15",
    title: "SET_FEATURES with PROTOCOL_FEATURES does not disable rings",
    strength: "MUST",
    section: "Ring states",
    observes: ["data"],
    needs: { request: true, virtio: GATE },
    async run(t) {
      const { session, request } = await t.bringUp();
      await session.set(SetFeatures, session.virtio);
      await request();
    },
  },
  {
    id: "features/16",
    title: "a device with several queues offers its multiqueue feature",
    strength: "SHOULD",
    section: "VIRTIO 5.1.4, 5.2.4",
    observes: ["reply"],
    needs: { request: true, protocol: ProtocolFeature.Mq },
    async run(t) {
      const session = await t.negotiatedSession();
      const { multiqueue, queueCount } = t.kit;
      if (multiqueue === undefined)
        return t.skip(`${t.kit.kind.name} devices have no feature for queues`);
      const queueNum = (await queueCount?.(session)) ?? t.facts.queueNum;
      const offered = ((await session.call(GetFeatures)) & multiqueue) !== 0n;
      t.info(
        `${counted(queueNum, "queue")} or pairs, ${offered ? "MQ offered" : "MQ not offered"}`,
      );
      t.expectThat(
        "MQ",
        offered || queueNum <= 1,
        "offered, or one queue",
        counted(queueNum, "queue"),
      );
    },
  },
  {
    id: "features/17",
    title: "every offered feature comes with the features that it requires",
    strength: "MUST",
    section: "VIRTIO 2.2.2, 5.1.3.1, 5.2.5.2",
    observes: ["reply"],
    needs: { request: true },
    async run(t) {
      const { dependencies, kind } = t.kit;
      if (dependencies === undefined) return t.skip(`${kind.name} devices have no such features`);
      const offer = await (await t.connect()).call(GetFeatures);
      for (const [needing, oneOf] of dependencies) {
        const fulfilled = (offer & bit(needing)) === 0n || (offer & bits(...oneOf)) !== 0n;
        const [name] = virtioFeatureNames(bit(needing), t.facts.device);
        const wanted = virtioFeatureNames(bits(...oneOf), t.facts.device).join(" or ");
        t.expectThat(`${name} is offered`, fulfilled, `${wanted} as well`, "it alone");
      }
    },
  },
];
