import { setImmediate as turn } from "node:timers/promises";
import { delay } from "../../../../core/base/index.ts";

/** Most of what is waited for comes soon: so long it is looked for at every turn of the event loop. */
const EAGER_MS = 5;
const LOOK_MS = 1;

/**
 * Calls `look` repeatedly and returns its first result; undefined if there is none within the time.
 */
export async function soon<T>(
  look: () => T | undefined,
  timeoutMs: number,
): Promise<T | undefined> {
  const start = performance.now();
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    const waited = performance.now() - start;
    if (waited >= timeoutMs) return undefined;
    await (waited < EAGER_MS ? turn() : delay(LOOK_MS));
  }
}
