import { FrontendRequest, type VringAddress } from "../../../../../../src/core/protocol/index.ts";
import { fault, type Mutant, throughChannel, throughHandler } from "../mutant.ts";

const { SetLogBase, SetVringAddr } = FrontendRequest;
const REPLY = { request: SetLogBase, flags: 5, size: 8 };

export const log: Readonly<Record<string, Mutant>> = {
  "log/1": fault("no-reply@SET_LOG_BASE"),
  "log/2": throughChannel("takes a log without a descriptor", () => ({
    received: (frame, channel) => {
      if (frame.header.request !== SetLogBase || frame.fds.length > 0) return frame;
      void channel.send({ header: REPLY, payload: new Uint8Array(8), fds: [] });
      return undefined;
    },
  })),
  "log/3": fault("log-rings-only"),
  "log/4": throughHandler("marks pages as soon as there is a log", () => ({
    [SetLogBase]: (plain, session) => async (payload, incoming) => {
      const reply = await plain(payload, incoming);
      session().memory.log.all = true;
      return reply;
    },
  })),
  "log/5": throughHandler("does not log used rings", () => ({
    [SetVringAddr]: (plain) => (payload, incoming) =>
      plain({ ...(payload as VringAddress), flags: 0 }, incoming),
  })),
  "log/8": throughHandler("loses one mark in seven once there were many", () => ({
    [SetLogBase]: (plain, session) => async (payload, incoming) => {
      const reply = await plain(payload, incoming);
      const area = session().memory.log;
      const mark = area.mark.bind(area);
      let count = 0;
      area.mark = (address, length) => {
        count += 1;
        if (count < 50 || count % 7 !== 0) mark(address, length);
      };
      return reply;
    },
  })),
};
