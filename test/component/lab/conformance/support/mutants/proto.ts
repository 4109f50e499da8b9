import {
  FrontendRequest,
  ProtocolFeature,
  type VringAddress,
} from "../../../../../../src/core/protocol/index.ts";
import { answers, fault, type Mutant, throughChannel, throughHandler } from "../mutant.ts";

const {
  GetProtocolFeatures,
  GetMaxMemSlots,
  GetQueueNum,
  SetFeatures,
  SetProtocolFeatures,
  SetVringAddr,
} = FrontendRequest;
const {
  Config,
  GetVringBaseInflight,
  GpaAddresses,
  InbandNotifications,
  InflightShmfd,
  Mq,
  ReplyAck,
} = ProtocolFeature;

const offering = (summary: string, change: (offer: bigint) => bigint): Mutant =>
  answers<bigint>(summary, GetProtocolFeatures, change);

/** An address of one kind that is taken for one of another kind is outside of all regions. */
const elsewhere = (address: VringAddress): VringAddress => ({
  ...address,
  descriptor: address.descriptor + (1n << 50n),
});

export const proto: Readonly<Record<string, Mutant>> = {
  "proto/1": fault("long-payload@GET_PROTOCOL_FEATURES"),
  "proto/2": throughHandler("offers something else every other time", () => {
    let asked = 0;
    return {
      [GetProtocolFeatures]: (plain) => async (payload, incoming) => {
        asked += 1;
        const offer = (await plain(payload, incoming)) as bigint;
        return asked % 2 === 0 ? offer & ~Config : offer;
      },
    };
  }),
  "proto/3": offering("offers a feature that does not exist", (offer) => offer | (1n << 40n)),
  "proto/4": offering("does not offer MQ", (offer) => offer & ~Mq),
  "proto/5": offering("does not offer REPLY_ACK", (offer) => offer & ~ReplyAck),
  "proto/6": offering("offers INBAND_NOTIFICATIONS alone", (offer) => offer & ~ReplyAck),
  "proto/7": offering(
    "offers GET_VRING_BASE_INFLIGHT without INFLIGHT_SHMFD",
    (offer) => (offer | GetVringBaseInflight) & ~InflightShmfd,
  ),
  "proto/8": throughHandler("works only with CONFIG acknowledged", () => ({
    [SetFeatures]: (plain, session) => (payload, incoming) => {
      if ((session().negotiation.protocolFeatures & Config) === 0n) throw new Error("refused");
      return plain(payload, incoming);
    },
  })),
  "proto/9": throughHandler("takes any protocol feature", () => ({
    [SetProtocolFeatures]: (plain, session) => (payload, incoming) =>
      plain((payload as bigint) & session().protocolFeatures, incoming),
  })),
  "proto/10": throughHandler("takes INBAND_NOTIFICATIONS alone", () => ({
    [SetProtocolFeatures]: (plain, session) => (payload, incoming) => {
      if (payload !== InbandNotifications) return plain(payload, incoming);
      session().negotiation.protocolFeatures = InbandNotifications;
      return undefined;
    },
  })),
  "proto/11": throughHandler("takes SET_PROTOCOL_FEATURES only after it was asked", () => {
    const asked = new WeakSet<object>();
    return {
      [GetProtocolFeatures]: (plain, session) => (payload, incoming) => {
        asked.add(session());
        return plain(payload, incoming);
      },
      [SetProtocolFeatures]: (plain, session) => (payload, incoming) => {
        if (!asked.has(session())) throw new Error("the session has not asked");
        return plain(payload, incoming);
      },
    };
  }),
  "proto/12": throughChannel("answers with its slots without the feature", () => ({
    received: (frame, channel) => {
      if (frame.header.request !== GetMaxMemSlots) return frame;
      const header = { request: GetMaxMemSlots, flags: 5, size: 8 };
      void channel.send({ header, payload: new Uint8Array(8), fds: [] });
      return undefined;
    },
  })),
  "proto/13": throughHandler("takes guest addresses of rings for something else", () => ({
    [SetVringAddr]: (plain, session) => (payload, incoming) => {
      const address = payload as VringAddress;
      const guest = (session().negotiation.protocolFeatures & GpaAddresses) !== 0n;
      return plain(guest ? elsewhere(address) : address, incoming);
    },
  })),
  "proto/14": throughHandler("takes the addresses of rings for guest addresses", () => ({
    [SetVringAddr]: (plain) => (payload, incoming) =>
      plain(elsewhere(payload as VringAddress), incoming),
  })),
  "proto/15": throughHandler("serves GET_QUEUE_NUM only where MQ was acknowledged", () => ({
    [GetQueueNum]: (plain, session) => (payload, incoming) => {
      if ((session().negotiation.protocolFeatures & Mq) === 0n) throw new Error("refused");
      return plain(payload, incoming);
    },
  })),
};
