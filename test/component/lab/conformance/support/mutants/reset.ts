import { FrontendRequest } from "../../../../../../src/core/protocol/index.ts";
import { type Mutant, throughChannel, throughHandler } from "../mutant.ts";

const { ResetDevice, ResetOwner, SetMemTable, SetOwner, SetVringAddr } = FrontendRequest;

export const reset: Readonly<Record<string, Mutant>> = {
  "reset/1": throughHandler("acknowledges RESET_DEVICE and goes on", () => ({
    [ResetDevice]: () => () => undefined,
  })),
  "reset/2": throughHandler("takes no memory table after a reset", () => {
    const over = new WeakSet<object>();
    return {
      [ResetDevice]: (plain, session) => (payload, incoming) => {
        over.add(session());
        return plain(payload, incoming);
      },
      [SetMemTable]: (plain, session) => (payload, incoming) => {
        if (over.has(session())) throw new Error("refused after a reset");
        return plain(payload, incoming);
      },
    };
  }),
  "reset/7": throughChannel("ends the session with its owner", () => ({
    received: (frame, channel) => {
      if (frame.header.request === ResetOwner) channel.close();
      return frame;
    },
  })),
  "reset/8": throughChannel("ends a session that gets a second owner", () => {
    let owned = false;
    return {
      received: (frame, channel) => {
        if (frame.header.request !== SetOwner) return frame;
        if (owned) channel.close();
        owned = true;
        return frame;
      },
    };
  }),
  "reset/9": throughHandler("forgets the memory table with a reset", () => {
    const forgetful = new WeakSet<object>();
    return {
      [ResetDevice]: (plain, session) => (payload, incoming) => {
        forgetful.add(session());
        return plain(payload, incoming);
      },
      [SetMemTable]: (plain, session) => (payload, incoming) => {
        forgetful.delete(session());
        return plain(payload, incoming);
      },
      [SetVringAddr]: (plain, session) => (payload, incoming) => {
        if (forgetful.has(session())) throw new Error("no memory is shared");
        return plain(payload, incoming);
      },
    };
  }),
};
