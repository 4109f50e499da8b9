import { EventFd, type OwnedFd } from "../../../../../../src/core/os/index.ts";
import { FrontendRequest, type VringState } from "../../../../../../src/core/protocol/index.ts";
import { crashesOn, hangsOn, type Mutant, type Serving, throughHandler } from "../mutant.ts";
import { WaitsForKick } from "./vring.ts";

const { GetVringBase, SetVringEnable, SetVringKick } = FrontendRequest;

/** Time in which a request is served. */
const LATE_MS = 4;

const serving = (summary: string, request: number, serve: Serving): Mutant =>
  throughHandler(summary, () => ({ [request]: serve }));

/** Serves a request, and then enables or disables its ring. */
const andThen =
  (enabled: boolean): Serving =>
  (plain, session) =>
  async (payload, incoming) => {
    const reply = await plain(payload, incoming);
    await session().vrings[(payload as VringState).index]?.setEnabled(enabled);
    return reply;
  };

/** Takes the kick of a ring away as it is enabled. */
const forgetsKicks = throughHandler("", () => {
  let kick: OwnedFd | undefined;
  return {
    [SetVringKick]: (plain) => (payload, incoming) => {
      kick?.close();
      kick = incoming.fds[0]?.duplicate();
      return plain(payload, incoming);
    },
    [SetVringEnable]: (plain) => (payload, incoming) => {
      const event = kick && EventFd.adopt(kick);
      kick = undefined;
      event?.drain();
      event?.close();
      return plain(payload, incoming);
    },
  };
});

export const enable: Readonly<Record<string, Mutant>> = {
  "enable/1": serving("enables a ring as it starts", SetVringKick, andThen(true)),
  "enable/2": {
    fault: "forgets kicks for a ring that is disabled",
    apply: (options, world) => ({
      ...forgetsKicks.apply?.(options, world),
      device: options.device,
      queue: (queue) => new WaitsForKick(queue),
    }),
  },
  "enable/3": serving(
    "acknowledges that it disables a ring, and then does so",
    SetVringEnable,
    (plain) => (payload, incoming) => {
      if ((payload as VringState).num !== 0) return plain(payload, incoming);
      setTimeout(() => void plain(payload, incoming), LATE_MS);
      return undefined;
    },
  ),
  "enable/4": serving("disables a ring as it stops", GetVringBase, andThen(false)),
  "enable/5": serving(
    "does not enable a ring that was not started",
    SetVringEnable,
    (plain, session) => (payload, incoming) =>
      session().vrings[(payload as VringState).index]?.started
        ? plain(payload, incoming)
        : undefined,
  ),
  "enable/6": serving(
    "disables a ring that is enabled a second time",
    SetVringEnable,
    (plain, session) => (payload, incoming) => {
      const { index, num } = payload as VringState;
      const again = num === 1 && session().vrings[index]?.enabled;
      return plain({ index, num: again ? 0 : num }, incoming);
    },
  ),
  "enable/7": crashesOn("SET_VRING_ENABLE with 2", ({ header: { request }, payload }) => {
    return request === SetVringEnable && payload[4] === 2;
  }),
  "enable/8": hangsOn("SET_VRING_ENABLE without PROTOCOL_FEATURES", ungated()),
};

/** SET_VRING_ENABLE where SET_FEATURES did not have bit 30. */
function ungated(): Parameters<typeof hangsOn>[1] {
  let gate = true;
  return ({ header: { request }, payload }) => {
    if (request === FrontendRequest.SetFeatures) gate = ((payload[3] ?? 0) & 0x40) !== 0;
    return request === SetVringEnable && !gate;
  };
}
