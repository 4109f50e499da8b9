import { FrontendRequest } from "../../../../core/protocol/index.ts";
import type { RequestKit } from "../back-end/kit.ts";
import type { Times } from "../times.ts";
import { soon } from "../back-end/soon.ts";
import { FrontendContext, hasStarted } from "./context.ts";
import type { Message, MockOptions } from "./mock.ts";
import type { FrontendTarget } from "./target.ts";
import { serving } from "./tricks.ts";

const { GetFeatures, SetFeatures, SetVringCall } = FrontendRequest;
/**
 * Feature bits that more than one device type defines. A front-end may refuse a back-end whose offer is
 * that of another type; this one is of none.
 */
const DEVICE_BITS = (1n << 15n) - 1n;

/** Hooks of a mock whose offer does not say which device it plays. */
export function offeringAny(): Pick<MockOptions, "handler"> {
  let known = 0n;
  return serving({
    [GetFeatures]: (plain) => async (payload, incoming) => {
      known = (await plain(payload, incoming)) as bigint;
      return known | DEVICE_BITS;
    },
    [SetFeatures]: (plain) => (payload, incoming) =>
      plain((payload as bigint) & ~(DEVICE_BITS & ~known), incoming),
  });
}

/**
 * Starts a front-end once, on a back-end that could be of any type, and returns what it sends. Nothing:
 * it did not connect.
 *
 * @param kit of a device that the suite can play
 * @param isClear whether these messages suffice; otherwise the front-end has the time to start a ring,
 *   or to go quiet after it has named one
 * @throws {EnvironmentError} there is no such program
 */
export async function discover(
  target: FrontendTarget,
  kit: RequestKit,
  times: Times,
  isClear: (messages: readonly Message[]) => boolean,
): Promise<readonly Message[]> {
  const t = new FrontendContext(target, kit, times);
  try {
    const { mock, run } = await t.boot(offeringAny());
    let [count, since] = [0, performance.now()];
    await soon(() => {
      const { messages } = mock;
      if (run.end !== undefined || hasStarted(mock) || isClear(messages)) return true;
      if (messages.length !== count) [count, since] = [messages.length, performance.now()];
      const isQuiet = performance.now() - since > times.answerMs;
      return (
        (isQuiet && messages.some(({ header }) => header.request === SetVringCall)) || undefined
      );
    }, 2 * times.againMs);
    return mock.messages;
  } finally {
    await t.close();
  }
}
