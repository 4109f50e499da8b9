import { setImmediate } from "node:timers/promises";

/** Goes round the event loop until the condition holds; fails after some seconds. */
export async function until(condition: () => boolean, what = "the condition"): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`${what} did not come true in time`);
    await setImmediate();
  }
}

/** Runs a number of turns of the event loop, in which nothing is expected to happen. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) await setImmediate();
}
