import {
  FrontendRequest,
  type VringFd,
  type VringState,
} from "../../../../../../src/core/protocol/index.ts";
import { fault, type Mutant, throughHandler } from "../mutant.ts";

const { SetVringCall, SetVringKick, SetVringNum } = FrontendRequest;

export const mq: Readonly<Record<string, Mutant>> = {
  "mq/1": fault("queue-num-zero"),
  "mq/2": throughHandler("serves its first ring only", () => ({
    [SetVringKick]: (plain) => (payload, incoming) =>
      (payload as VringFd).index === 0 ? plain(payload, incoming) : undefined,
  })),
  "mq/4": throughHandler("has one size for all rings", () => {
    let first: number | undefined;
    return {
      [SetVringNum]: (plain) => (payload, incoming) => {
        const { index, num } = payload as VringState;
        return plain({ index, num: (first ??= num) }, incoming);
      },
    };
  }),
  "mq/6": throughHandler("starts rings that it does not have", () => ({
    [SetVringKick]: (plain, session) => (payload, incoming) =>
      (payload as VringFd).index < session().device.maxQueues
        ? plain(payload, incoming)
        : undefined,
  })),
  "mq/7": throughHandler("keeps a call descriptor for the first ring that brings one", () => ({
    [SetVringCall]: (plain) => (payload, incoming) =>
      (payload as VringFd).index === 0 ? plain(payload, incoming) : undefined,
  })),
};
