import { setImmediate, setTimeout } from "node:timers/promises";

/** Goes round the event loop this often before it waits a millisecond each time. */
const BUSY_TURNS = 50;

/**
 * Waits for something that has no event of its own. The limit is far above what anything needs, also
 * on a busy machine.
 */
export async function until(
  condition: () => boolean,
  what = condition.toString(),
  timeoutMs = 30_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (let turn = 0; !condition(); turn += 1) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await (turn < BUSY_TURNS ? setImmediate() : setTimeout(1));
  }
}

/** Runs a number of turns of the event loop, in which nothing is expected to happen. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) await setImmediate();
}
