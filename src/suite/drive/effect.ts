import { BlockFeature } from "../../devices/block/layout.ts";
import type { CheckContext } from "../context.ts";
import type { ProbeRequest } from "./kit.ts";
import type { SuiteMemory } from "./memory.ts";

/**
 * Whether what `attempt` does has an effect that lasts: it is given a request that would change
 * something. What stood there before stands there again afterwards.
 *
 * @throws {CheckSkip} nothing of this device can be seen to stay; {@link CheckFailure}
 */
export async function hasEffect(
  t: CheckContext,
  attempt: (request: (memory: SuiteMemory) => ProbeRequest) => Promise<void>,
): Promise<boolean> {
  const { effect } = t.kit;
  if (effect === undefined) t.skip(`of a ${t.kit.type} device no effect can be seen`);
  if ((t.facts.virtio & BlockFeature.ReadOnly) !== 0n) t.skip("the disk is read-only");
  const look = async (): Promise<Uint8Array> => {
    t.closeSessions();
    const { ring, memory } = await t.up();
    const reading = effect.read(memory);
    await t.request(ring, memory, reading);
    return reading.data.bytes.slice();
  };
  const before = await look();
  const other = before.map((byte) => byte ^ 0xff);
  t.closeSessions();
  await attempt((memory) => effect.write(memory, other));
  const after = await look();
  const changed = Buffer.compare(before, after) !== 0;
  if (changed) {
    t.closeSessions();
    const { ring, memory } = await t.up();
    await t.request(ring, memory, effect.write(memory, before));
  }
  return changed;
}
