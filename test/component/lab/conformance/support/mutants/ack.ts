import { FrontendRequest, type VringState } from "../../../../../../src/core/protocol/index.ts";
import { fault, type Mutant, throughHandler } from "../mutant.ts";

const { SetMemTable, SetVringCall, SetVringEnable } = FrontendRequest;

const swallowsFailure = (request: number, name: string): Mutant =>
  throughHandler(`acknowledges a ${name} that failed with 0`, () => ({
    [request]: (plain) => async (payload, incoming) => {
      try {
        await plain(payload, incoming);
      } catch {
        return;
      }
    },
  }));

export const ack: Readonly<Record<string, Mutant>> = {
  "ack/1": fault("ack-failure@SET_VRING_CALL"),
  "ack/2": fault("ack-without-asking@SET_VRING_NUM"),
  "ack/3": fault("ack-without-asking@SET_OWNER"),
  "ack/4": fault("extra-descriptors=1@SET_VRING_NUM"),
  "ack/5": swallowsFailure(SetMemTable, "SET_MEM_TABLE"),
  "ack/6": swallowsFailure(FrontendRequest.SetConfig, "SET_CONFIG"),
  "ack/7": throughHandler("serves nothing after a failure", () => {
    const failed = new WeakSet<object>();
    return {
      [SetMemTable]: (plain, session) => async (payload, incoming) => {
        if (failed.has(session())) throw new Error("broken");
        try {
          await plain(payload, incoming);
        } catch (error) {
          failed.add(session());
          throw error;
        }
      },
    };
  }),
  "ack/8": throughHandler("acknowledges SET_MEM_TABLE and maps nothing", () => ({
    [SetMemTable]: () => () => undefined,
  })),
  "ack/9": throughHandler("acknowledges SET_VRING_ENABLE 0 and does not do it", () => ({
    [SetVringEnable]: (plain) => (payload, incoming) =>
      (payload as VringState).num === 0 ? undefined : plain(payload, incoming),
  })),
  "ack/10": throughHandler("goes on calling the first descriptor it was given", () => {
    const called = new WeakSet<object>();
    return {
      [SetVringCall]: (plain, session) => (payload, incoming) => {
        if (called.has(session())) return undefined;
        called.add(session());
        return plain(payload, incoming);
      },
    };
  }),
};
