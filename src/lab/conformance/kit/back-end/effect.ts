import type { CheckContext } from "./context.ts";
import type { Effect } from "./kit.ts";
import type { SuiteMemory } from "./memory.ts";
import type { Ring } from "./ring.ts";

/** A ring, in the state in which a request is made. */
export interface EffectSubject {
  readonly ring: Ring;
  readonly memory: SuiteMemory;
}

/** The way in which {@link writesOn} finds the effect of a working ring. */
export interface EffectOptions {
  /** Prepares a ring on which the same write must have its effect. Default: a device is brought up. */
  readonly control?: (() => Promise<EffectSubject>) | undefined;
}

/** A target gets this many times what it took for the control. */
const PATIENCE = 10;

/**
 * Returns whether a write has a lasting effect on a ring in the state that `prepare` leaves.
 *
 * The same write is made on a ring that works first: only where it has its effect there, its absence
 * means something. The target gets several times what it took for that, and until the ring is
 * stopped. The previous data is restored.
 *
 * @throws {CaseSkip} nothing of this device can be seen to stay, or the control has no effect;
 *   {@link CaseFailure}
 */
export async function writesOn(
  t: CheckContext,
  prepare: () => Promise<EffectSubject>,
  { control = async () => t.bringUp() }: EffectOptions = {},
): Promise<boolean> {
  const { effect } = t.kit;
  if (effect === undefined)
    t.skip(`${t.kit.kind.name} devices keep no data that a request could change`);
  const { readOnly = 0n } = effect;
  if ((t.facts.virtio & readOnly) !== 0n) t.skip("the device is read-only");
  const before = await t.exchange.settingUp(async () => look(t, effect));
  const other = before.map((byte) => byte ^ 0xff);
  try {
    const start = performance.now();
    const worked = await write(t, effect, await again(t, control), { bytes: other });
    const tookMs = performance.now() - start;
    if (!worked) t.notJudged("the same write has no effect on a ring that is enabled either");
    t.observe("effect");
    await restore(t, effect, before);
    const waitMs = Math.max(t.times.graceMs, PATIENCE * tookMs);
    return await write(t, effect, await again(t, prepare), { bytes: other, waitMs });
  } finally {
    // Where even that fails, the target is at its end, and what was found before counts.
    await restore(t, effect, before).catch(() => undefined);
  }
}

/** Prepares another session: many targets serve one at a time. */
async function again(
  t: CheckContext,
  prepare: () => Promise<EffectSubject>,
): Promise<EffectSubject> {
  t.closeSessions();
  return prepare();
}

/**
 * Makes a write, and stops its ring.
 *
 * @returns whether the device keeps the bytes
 */
async function write(
  t: CheckContext,
  effect: Effect,
  { ring, memory }: EffectSubject,
  { bytes, waitMs }: { readonly bytes: Uint8Array; readonly waitMs?: number },
): Promise<boolean> {
  const { readable, writable } = effect.write(memory, bytes);
  ring.push(readable, writable);
  await ring.completion(waitMs);
  await ring.stop();
  return Buffer.compare(await look(t, effect), bytes) === 0;
}

/**
 * Reads what the device keeps, in a session of its own.
 *
 * @throws {CaseFailure}
 */
async function look(t: CheckContext, effect: Effect): Promise<Uint8Array> {
  t.closeSessions();
  const { ring, memory } = await t.bringUp();
  const reading = effect.read(memory);
  await t.request(ring, memory, reading);
  return reading.data.bytes.slice();
}

async function restore(t: CheckContext, effect: Effect, before: Uint8Array): Promise<void> {
  if (Buffer.compare(await look(t, effect), before) === 0) return;
  t.closeSessions();
  const { ring, memory } = await t.bringUp();
  await t.request(ring, memory, effect.write(memory, before));
}
