import type { CheckContext } from "./context.ts";
import type { SuiteMemory } from "./memory.ts";
import type { Ring } from "./ring.ts";

/**
 * Returns whether a write has a lasting effect on a ring in the state that `prepare` leaves. The
 * target has a short time for it, and until the ring is stopped. The previous data is
 * restored.
 *
 * @throws {CaseSkip} nothing of this device can be seen to stay; {@link CaseFailure}
 */
export async function writesOn(
  t: CheckContext,
  prepare: () => Promise<{ readonly ring: Ring; readonly memory: SuiteMemory }>,
): Promise<boolean> {
  const { effect } = t.kit;
  if (effect === undefined)
    t.skip(`${t.kit.kind.name} devices keep no data that a request could change`);
  const { readOnly = 0n } = effect;
  if ((t.facts.virtio & readOnly) !== 0n) t.skip("the device is read-only");
  const look = async (): Promise<Uint8Array> => {
    t.closeSessions();
    const { ring, memory } = await t.bringUp();
    const reading = effect.read(memory);
    await t.request(ring, memory, reading);
    return reading.data.bytes.slice();
  };
  const before = await look();
  const other = before.map((byte) => byte ^ 0xff);
  t.closeSessions();
  const { ring: subject, memory: shared } = await prepare();
  const { readable, writable } = effect.write(shared, other);
  subject.push(readable, writable);
  await subject.completion(t.times.callMs / 10);
  await subject.stop();
  const after = await look();
  const changed = Buffer.compare(before, after) !== 0;
  if (changed) {
    t.closeSessions();
    const { ring, memory } = await t.bringUp();
    await t.request(ring, memory, effect.write(memory, before));
  }
  return changed;
}
