import { VirtioFeature } from "../../../core/protocol/index.ts";
import type { Check } from "../../conformance/kit/check.ts";
import type { CheckContext } from "../../conformance/kit/back-end/context.ts";
import { type Echo, echoOf } from "./echo.ts";

const ROUNDS = 100;
/** Frames on their way as the receive ring stops. */
const IN_FLIGHT = 3;
const MEMORY_BYTES = 2 << 20;

/** Frames of one round: in flight, one for each stop, and the last. */
const FRAMES = IN_FLIGHT + 3;

/**
 * Stops both rings with frames in flight, offers another frame, and starts the rings again.
 *
 * @throws {CaseFailure} something was written while they were stopped
 */
async function interrupt(t: CheckContext, echo: Echo): Promise<void> {
  const { receiving, device } = echo;
  const { ring: transmitting, session, memory } = device;
  for (let i = 0; i < IN_FLIGHT; i += 1) echo.push(echo.frame());
  const base = await receiving.stop();
  t.expect("base of the receive ring, against its used index", base, receiving.usedIndex);
  // The target still transmits, and has nowhere to write what returns.
  echo.push(echo.frame());
  await session.alive();
  const next = await transmitting.stop();
  echo.push(echo.frame());
  const before = memory.content;
  await session.alive();
  const changed = Buffer.compare(before, memory.content) !== 0;
  t.expect("memory has changed while both rings were stopped", changed, false);
  await receiving.restart(base);
  await transmitting.restart(next);
}

export const netStops: readonly Check[] = [
  {
    id: "net/22",
    title: `rings that are stopped while frames go round start again, ${ROUNDS} times`,
    strength: "MUST",
    section: "VHOST_USER_GET_VRING_BASE; Ring states",
    observes: ["data"],
    slow: 4,
    tags: ["migration"],
    needs: { device: ["net"], request: true, virtio: VirtioFeature.Version1 },
    async run(t) {
      const echo = await echoOf(t, { size: MEMORY_BYTES });
      await echo.expectTrip();
      for (let round = 1; round <= ROUNDS; round += 1) {
        await interrupt(t, echo);
        const last = echo.frame();
        echo.push(last);
        const came = await echo.until(last);
        const what = `a frame after ${round} stops`;
        t.expectThat(what, came.includes(last), "it comes", "it does not");
        // The ones that were on their way may be lost.
        echo.supply(came.length);
        const { ring } = echo.device;
        for (let i = 0; i < FRAMES; i += 1) await ring.expectCompletion("a frame to transmit");
      }
    },
  },
];
