import type { CheckContext } from "../context.ts";
import type { ProbeRequest } from "./kit.ts";
import type { SuiteMemory } from "./memory.ts";
import type { Ring } from "./ring.ts";
import { hasEffect } from "./effect.ts";

/**
 * A request for a ring that is not served: the target is asked for something behind it, has a moment,
 * and the ring is stopped.
 *
 * @throws {CheckFailure}
 */
export async function pushInVain(
  t: CheckContext,
  ring: Ring,
  { readable, writable }: ProbeRequest,
): Promise<void> {
  ring.push(readable, writable);
  await ring.completion(t.times.callMs / 10);
  await ring.stop();
}

/**
 * Whether a write has an effect on a ring in the state that `prepare` leaves it in.
 *
 * @throws {CheckSkip} nothing of this device can be seen to stay; {@link CheckFailure}
 */
export async function writesOn(
  t: CheckContext,
  prepare: () => Promise<{ readonly ring: Ring; readonly memory: SuiteMemory }>,
): Promise<boolean> {
  return hasEffect(t, async (write) => {
    const { ring, memory } = await prepare();
    await pushInVain(t, ring, write(memory));
  });
}
