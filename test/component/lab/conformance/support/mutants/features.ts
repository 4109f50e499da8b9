import { FrontendRequest, VirtioFeature } from "../../../../../../src/core/protocol/index.ts";
import { answers, crashesOn, type Mutant, throughChannel, throughHandler } from "../mutant.ts";

const { GetFeatures, GetProtocolFeatures, SetFeatures, SetLogBase } = FrontendRequest;
const { EventIdx, IndirectDesc, LogAll, ProtocolFeatures, Version1 } = VirtioFeature;
const SR_IOV = VirtioFeature.SrIov;
const BLK_FLUSH = 1n << 9n;
const BLK_WCE = 1n << 11n;
const BLK_MQ = 1n << 12n;

const without = (summary: string, virtio: bigint): Mutant => ({
  fault: summary,
  offers: true,
  apply: (options) => ({ ...options, without: { virtio } }),
});

/** Disables or enables rings where SET_FEATURES comes. */
const onSetFeatures = (
  summary: string,
  enabled: boolean,
  when: (features: bigint, running: boolean, before: bigint) => boolean,
): Mutant =>
  throughHandler(summary, () => ({
    [SetFeatures]: (plain, session) => async (payload, incoming) => {
      const before = session().negotiation.features;
      await plain(payload, incoming);
      const { vrings } = session();
      const running = vrings.some(({ started }) => started);
      if (!when(payload as bigint, running, before)) return;
      await session().setAllEnabled(enabled);
    },
  }));

export const features: Readonly<Record<string, Mutant>> = {
  "features/1": throughHandler("offers something else every other time", () => {
    let asked = 0;
    return {
      [GetFeatures]: (plain) => async (payload, incoming) => {
        asked += 1;
        const offer = (await plain(payload, incoming)) as bigint;
        return asked % 2 === 0 ? offer & ~IndirectDesc : offer;
      },
    };
  }),
  "features/2": without("does not offer VIRTIO_F_VERSION_1", Version1),
  "features/3": without("does not offer VHOST_USER_F_PROTOCOL_FEATURES", ProtocolFeatures),
  "features/4": answers<bigint>("offers VIRTIO_F_SR_IOV", GetFeatures, (offer) => offer | SR_IOV),
  "features/5": throughHandler("refuses VIRTIO_RING_F_EVENT_IDX, which it offered", () => ({
    [SetFeatures]: (plain) => (payload, incoming) => {
      if (((payload as bigint) & EventIdx) !== 0n) throw new Error("refused");
      return plain(payload, incoming);
    },
  })),
  "features/6": throughHandler("serves only who acknowledges VIRTIO_RING_F_EVENT_IDX", () => ({
    [SetFeatures]: (plain) => (payload, incoming) => {
      if (((payload as bigint) & EventIdx) === 0n) throw new Error("refused");
      return plain(payload, incoming);
    },
  })),
  "features/7": throughHandler("takes any feature", () => ({
    [SetFeatures]: (plain, session) => (payload, incoming) =>
      plain((payload as bigint) & session().features, incoming),
  })),
  "features/8": crashesOn(
    "a front-end without VERSION_1",
    ({ header: { request }, payload }) =>
      request === SetFeatures && payload.every((byte) => byte === 0),
  ),
  "features/9": throughHandler("goes by the first SET_FEATURES of a session", () => {
    const first = new WeakMap<object, bigint>();
    return {
      [SetFeatures]: (plain, session) => (payload, incoming) => {
        const features = first.get(session()) ?? (payload as bigint);
        first.set(session(), features);
        return plain(features, incoming);
      },
    };
  }),
  "features/10": throughHandler("stops its rings when features come while they run", () => ({
    [SetFeatures]: (plain, session) => async (payload, incoming) => {
      await plain(payload, incoming);
      for (const vring of session().vrings) if (vring.started) await vring.stop();
    },
  })),
  "features/11": onSetFeatures(
    "disables its rings when LOG_ALL goes",
    false,
    (acked, running, before) => running && (before & ~acked & LogAll) !== 0n,
  ),
  "features/12": throughHandler("acknowledges protocol features after SET_FEATURES only", () => {
    let set = false;
    return {
      [SetFeatures]: (plain) => (payload, incoming) => {
        set = true;
        return plain(payload, incoming);
      },
      [GetProtocolFeatures]: (plain) => (payload, incoming) => {
        if (!set) throw new Error("too early");
        return plain(payload, incoming);
      },
    };
  }),
  "features/13": onSetFeatures(
    "enables no ring by itself",
    false,
    (acked) => (acked & ProtocolFeatures) === 0n,
  ),
  "features/14": onSetFeatures(
    "looks at bits 1 to 4 instead of bit 30, as libvhost-user does",
    true,
    (acked) => (acked & 0x1en) === 0n,
  ),
  "features/15": onSetFeatures(
    "disables its rings when bit 30 comes again",
    false,
    (acked, running) => running && (acked & ProtocolFeatures) !== 0n,
  ),
  "features/16": answers<bigint>(
    "offers several queues and not VIRTIO_BLK_F_MQ",
    GetFeatures,
    (offer) => offer & ~BLK_MQ,
  ),
  "features/17": answers<bigint>(
    "offers VIRTIO_BLK_F_CONFIG_WCE without VIRTIO_BLK_F_FLUSH",
    GetFeatures,
    (offer) => (offer | BLK_WCE) & ~BLK_FLUSH,
  ),
  "features/18": throughChannel("dies by SIGSEGV of LOG_ALL without a log", (world) => {
    let hasLog = false;
    return {
      received: (frame) => {
        const { request } = frame.header;
        hasLog ||= request === SetLogBase;
        const logs =
          request === SetFeatures &&
          (Buffer.from(frame.payload).readBigUInt64LE(0) & LogAll) !== 0n;
        if (!logs || hasLog) return frame;
        world.crash("SIGSEGV");
        return undefined;
      },
    };
  }),
  "features/19": throughHandler("logs the first migration only", () => {
    const logged = new WeakSet<object>();
    return {
      [SetFeatures]: (plain, session) => (payload, incoming) => {
        const isOver = logged.has(session());
        if ((session().negotiation.features & ~(payload as bigint) & LogAll) !== 0n)
          logged.add(session());
        return plain(isOver ? (payload as bigint) & ~LogAll : payload, incoming);
      },
    };
  }),
};
