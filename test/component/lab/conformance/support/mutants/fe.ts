import { EventFd, setNonBlocking, UnixSocket } from "../../../../../../src/core/os/index.ts";
import {
  decodeLenient,
  FrontendRequest,
  HEADER_SIZE,
  HeaderFlag,
  type PayloadOf,
  ProtocolFeature,
  requestSpec,
  VirtioFeature,
} from "../../../../../../src/core/protocol/index.ts";
import { type Frame, UnixChannel } from "../../../../../../src/core/transport/index.ts";
import type { FrontendMutant, FrontendWorld } from "../in-process-frontend.ts";

const {
  AddMemReg,
  GetConfig,
  GetFeatures,
  GetProtocolFeatures,
  GetQueueNum,
  GetVringBase,
  SetBackendReqFd,
  SetConfig,
  SetFeatures,
  SetInflightFd,
  SetMemTable,
  SetOwner,
  SetProtocolFeatures,
  SetVringAddr,
  SetVringBase,
  SetVringEnable,
  SetVringKick,
  SetVringNum,
} = FrontendRequest;

/** A message that was not requested. */
function message(request: number, payload: Uint8Array = new Uint8Array()): Frame {
  const header = { request, flags: HeaderFlag.Version, size: payload.length };
  return { header, payload, fds: [] };
}

/** A client that says something more, in front of a request of its own or behind it. */
function adds(
  fault: string,
  beside: number,
  extra: Frame,
  where: "before" | "after" = "after",
): FrontendMutant {
  const sends = (frame: Frame): Frame | Frame[] => {
    if (frame.header.request !== beside) return frame;
    return where === "before" ? [extra, frame] : [frame, extra];
  };
  return { fault, messages: () => ({ sends }) };
}

/** A client that sends something else in a request. */
function alters<R extends FrontendRequest>(
  fault: string,
  request: R,
  change: (value: PayloadOf<R>, world: FrontendWorld) => PayloadOf<R>,
): FrontendMutant {
  const codec = requestSpec("front-end", request)?.payload;
  const sends = (frame: Frame, world: FrontendWorld): Frame => {
    if (frame.header.request !== request || codec === undefined) return frame;
    const value = decodeLenient(codec, frame.payload) as PayloadOf<R>;
    const payload = codec.encode(change(value, world));
    return { ...frame, header: { ...frame.header, size: payload.length }, payload };
  };
  return { fault, messages: (world) => ({ sends: (frame) => sends(frame, world) }) };
}

/** A client that gives a channel for requests of the back-end on which this happens. */
function backChannel(
  fault: string,
  serve: (channel: UnixChannel, world: FrontendWorld) => void,
): FrontendMutant {
  const messages: FrontendMutant["messages"] = (world) => ({
    sends: (frame) => {
      if (frame.header.request !== SetBackendReqFd) return frame;
      const [ours, theirs] = UnixSocket.pair();
      for (const fd of frame.fds.splice(0)) fd.close();
      frame.fds.push(theirs.detach());
      const channel = new UnixChannel(ours, { direction: "back-end" });
      world.closing(channel);
      serve(channel, world);
      return frame;
    },
  });
  return { fault, messages };
}

const flagged = (fault: string, request: number, flag: number): FrontendMutant => ({
  fault,
  messages: () => ({
    sends: (frame) => {
      const { header } = frame;
      if (header.request !== request) return frame;
      return { ...frame, header: { ...header, flags: (header.flags | flag) >>> 0 } };
    },
  }),
});

const ring0 = (num: number): Uint8Array => {
  const payload = new Uint8Array(8);
  payload[4] = num;
  return payload;
};
/** Ring 0, without a descriptor. */
const polled = new Uint8Array(8).fill(1, 1, 2);

/** Our client, by the check that must catch it. */
export const frontendMutants: Readonly<Record<string, FrontendMutant>> = {
  "fe/80": { fault: "connects and sends nothing", messages: () => ({ sends: () => [] }) },
  "fe/1": adds(
    "asks for protocol features whatever was offered",
    SetOwner,
    message(GetProtocolFeatures),
  ),
  "fe/2": flagged("sets a reserved bit in the flags of SET_OWNER", SetOwner, 0x100),
  "fe/3": flagged("wants SET_OWNER acknowledged in any case", SetOwner, HeaderFlag.NeedReply),
  "fe/5": alters(
    "acknowledges protocol features that do not exist",
    SetProtocolFeatures,
    (features) => features | (1n << 40n),
  ),
  "fe/6": alters(
    "acknowledges EVENT_IDX in any case",
    SetFeatures,
    (features) => features | VirtioFeature.EventIdx,
  ),
  "fe/7": adds("asks for the number of queues in any case", SetOwner, message(GetQueueNum)),
  "fe/9": adds("sends SET_OWNER twice", SetOwner, message(SetOwner)),
  "fe/10": {
    fault: "forgets the descriptor of its memory",
    messages: () => ({
      sends: (frame) => {
        const { request } = frame.header;
        if (request !== SetMemTable && request !== AddMemReg) return frame;
        for (const fd of frame.fds.splice(0)) fd.close();
        return frame;
      },
    }),
  },
  "fe/14": adds(
    "starts a ring before it sets its size",
    SetVringNum,
    message(SetVringKick, polled),
    "before",
  ),
  "fe/15": alters("has used rings at odd addresses", SetVringAddr, (address) => ({
    ...address,
    used: address.used + 2n,
  })),
  "fe/17": adds(
    "enables rings whatever was acknowledged",
    SetFeatures,
    message(SetVringEnable, ring0(1)),
  ),
  "fe/18": alters("sends a number with GET_VRING_BASE", GetVringBase, (state) => ({
    ...state,
    num: 1,
  })),
  "fe/19": alters("starts rings at 0, whatever their position", SetVringBase, (state) => ({
    ...state,
    num: 0,
  })),
  "fe/20": {
    fault: "takes what it receives at once for a message",
    chunk: ({ length }) => length >= HEADER_SIZE,
  },
  "fe/22": {
    fault: "takes a reply for its own, whatever its number",
    messages: () => ({
      receives: (frame) => {
        const { header } = frame;
        return header.request === 99
          ? { ...frame, header: { ...header, request: GetFeatures } }
          : frame;
      },
    }),
  },
  "fe/25": {
    fault: "takes every acknowledgement for a success",
    messages: () => ({
      receives: (frame) => {
        const { header, payload } = frame;
        const ack = requestSpec("front-end", header.request)?.reply.rule === "ack";
        return ack && payload.length === 8 ? { ...frame, payload: new Uint8Array(8) } : frame;
      },
    }),
  },
  "fe/27": {
    fault: "dies by SIGSEGV with its connection",
    dies: true,
  },
  "fe/28": alters(
    "acknowledges fewer features after a reconnect",
    SetFeatures,
    (features, { connection }) =>
      connection === 0 ? features : features & ~VirtioFeature.EventIdx,
  ),
  "fe/30": {
    fault: "asks for a configuration without room for all of it",
    messages: () => ({
      sends: (frame) => {
        const { header, payload } = frame;
        if (header.request !== GetConfig) return frame;
        const cut = payload.subarray(0, payload.length - 1);
        return { ...frame, header: { ...header, size: cut.length }, payload: cut };
      },
    }),
  },
  "fe/31": {
    fault: "takes what it asked with for the configuration that did not come",
    messages: () => {
      let asked: Uint8Array = new Uint8Array();
      return {
        sends: (frame) => {
          if (frame.header.request === GetConfig) asked = frame.payload.slice().fill(1, 12);
          return frame;
        },
        receives: (frame) => {
          const { header } = frame;
          if (header.request !== GetConfig || header.size !== 0) return frame;
          return { ...frame, header: { ...header, size: asked.length }, payload: asked };
        },
      };
    },
  },
  "fe/32": backChannel("reads its configuration once", (channel) => {
    channel.onFrame(() => undefined);
  }),
  "fe/33": alters("writes its configuration with the flag of a migration", SetConfig, (config) => ({
    ...config,
    flags: 1,
  })),
  "fe/61": alters("reads its configuration with the flag of a migration", GetConfig, (config) => ({
    ...config,
    flags: 1,
  })),
  "fe/62": {
    fault: "gives the back-end no channel",
    messages: () => ({
      receives: (frame) => {
        if (frame.header.request !== GetProtocolFeatures) return frame;
        const payload = Buffer.from(frame.payload);
        payload.writeBigUInt64LE(payload.readBigUInt64LE(0) & ~ProtocolFeature.BackendReq, 0);
        return { ...frame, payload };
      },
    }),
  },
  "fe/34": backChannel("answers no request of the back-end", () => undefined),
  "fe/35": backChannel("dies of a size that is too large", (channel, world) => {
    channel.onFrame(() => undefined);
    void channel.closed.then(({ by }) => {
      if (by === "error") world.crash();
    });
  }),
  "fe/60": {
    fault: "makes the descriptor of its in-flight region non-blocking",
    messages: () => ({
      receives: (frame) => {
        for (const { fd } of frame.fds) setNonBlocking(fd, true);
        return frame;
      },
    }),
  },
  "fe/70": {
    fault: "starts rings with other kick descriptors than it signals, after a reconnect",
    messages: ({ connection }) => ({
      sends: (frame) => {
        if (frame.header.request !== SetVringKick || connection === 0) return frame;
        const theirs = frame.fds.splice(0, 1, EventFd.create().descriptor);
        for (const fd of theirs) fd.close();
        return frame;
      },
    }),
  },
  "fe/71": alters(
    "starts rings behind the first request, after a reconnect",
    SetVringBase,
    (state, { connection }) => (connection === 0 ? state : { ...state, num: state.num + 1 }),
  ),
  "fe/72": {
    fault: "starts rings an entry too far when it starts them for the third time",
    messages: () => {
      const starts = new Map<number, number>();
      return {
        sends: (frame) => {
          const { header, payload } = frame;
          if (header.request !== SetVringBase) return frame;
          const state = Buffer.from(payload);
          const index = state.readUInt32LE(0);
          const count = (starts.get(index) ?? 0) + 1;
          starts.set(index, count);
          if (count > 2) state.writeUInt32LE(state.readUInt32LE(4) + 1, 4);
          return { ...frame, payload: state };
        },
      };
    },
  },
  "fe/54": alters("has notes for half of its rings", SetInflightFd, (inflight) => ({
    ...inflight,
    queueSize: inflight.queueSize / 2,
  })),
};
