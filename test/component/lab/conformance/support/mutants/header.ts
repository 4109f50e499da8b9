import { delay } from "../../../../../../src/core/base/index.ts";
import { FrontendRequest, HeaderFlag } from "../../../../../../src/core/protocol/index.ts";
import { crashesOn, fault, hangsOn, type Mutant, throughChannel } from "../mutant.ts";

const { GetFeatures, GetConfig } = FrontendRequest;
const ACK = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0);

export const header: Readonly<Record<string, Mutant>> = {
  "header/1": fault("long-payload@GET_FEATURES"),
  "header/2": fault("reserved-flags@GET_FEATURES"),
  "header/3": fault("missing-reply-flag@GET_QUEUE_NUM"),
  "header/4": fault("need-reply-echoed@GET_FEATURES"),
  "header/5": throughChannel("acknowledges a request that has a reply of its own as well", () => {
    let asked = false;
    return {
      received: (frame) => {
        asked = (frame.header.flags & HeaderFlag.NeedReply) !== 0;
        return frame;
      },
      send: async (frame, channel) => {
        await channel.send(frame);
        const { request } = frame.header;
        if (!asked || request !== GetFeatures) return;
        await channel.send({ header: { request, flags: 5, size: 8 }, payload: ACK, fds: [] });
      },
    };
  }),
  "header/6": throughChannel("answers GET_FEATURES late and goes on meanwhile", () => ({
    send: async (frame, channel) => {
      if (frame.header.request !== GetFeatures) return channel.send(frame);
      const fds = [...frame.fds];
      void delay(200).then(async () => channel.send({ ...frame, fds }).catch(() => undefined));
    },
  })),
  "header/7": throughChannel("takes any version for version 1", () => ({
    received: (frame) => {
      const flags = (frame.header.flags & ~HeaderFlag.VersionMask) | HeaderFlag.Version;
      return { ...frame, header: { ...frame.header, flags: flags >>> 0 } };
    },
  })),
  "header/8": throughChannel("echoes all flags of a request", () => {
    let flags = 0;
    return {
      received: (frame) => {
        ({ flags } = frame.header);
        return frame;
      },
      send: async (frame, channel) => {
        const echoed = (frame.header.flags | flags) >>> 0;
        await channel.send({ ...frame, header: { ...frame.header, flags: echoed } });
      },
    };
  }),
  "header/9": hangsOn("a request with the reply bit", ({ header: { flags } }) => flags === 5),
  "header/10": hangsOn("an unknown request", ({ header: { request } }) => request === 200),
  "header/11": throughChannel("acknowledges an unknown request with 0", () => ({
    received: (frame, channel) => {
      const { request } = frame.header;
      if (request !== 200) return frame;
      void channel.sendBytes(Uint8Array.from([200, 0, 0, 0, 5, 0, 0, 0, 8, 0, 0, 0, ...ACK]), []);
      return undefined;
    },
  })),
  "header/12": crashesOn("request 0", ({ header: { request } }) => request === 0, "SIGABRT"),
  "header/13": crashesOn(
    "request 0xffffffff",
    ({ header: { request } }) => request === 0xffff_ffff,
  ),
  "header/14": {
    fault: "makes room for whatever a header announces",
    apply: (options, world) => ({
      ...options,
      channel: (inner) => {
        void inner.closed.then(({ error }) => {
          if (error.message.includes("announces")) world.hoard(64 << 20);
        });
        return inner;
      },
    }),
  },
  "header/15": hangsOn("a payload of more than 256 bytes", ({ payload }) => payload.length > 256),
  "header/16": throughChannel("takes a surplus payload for further messages", () => ({
    received: (frame, channel) => {
      if (frame.header.request === GetFeatures && frame.payload.length > 0) {
        void channel.sendBytes(Uint8Array.from([0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]), []);
      }
      return frame;
    },
  })),
  "header/17": throughChannel("fills short payloads up with zeros", () => ({
    received: (frame) => {
      const { payload, header } = frame;
      if (header.request !== FrontendRequest.SetFeatures || payload.length !== 4) return frame;
      const filled = Uint8Array.of(0, 0, 0, 0x40, 1, 0, 0, 0);
      return { ...frame, header: { ...header, size: 8 }, payload: filled };
    },
  })),
  "header/18": hangsOn(
    "a SET_VRING_NUM of 16 bytes",
    ({ header: { request, size } }) => request === FrontendRequest.SetVringNum && size === 16,
  ),
  "header/19": hangsOn(
    "a GET_CONFIG of 0 bytes",
    ({ header: { request, size } }) => request === GetConfig && size === 0,
  ),
};
