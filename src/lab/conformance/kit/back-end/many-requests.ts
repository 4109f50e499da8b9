import type { CheckContext } from "./context.ts";
import type { KitRequest } from "./kit.ts";
import type { Ring } from "./ring.ts";
import type { RunningDevice } from "./running-device.ts";

/**
 * Makes `count` requests available at once.
 *
 * @returns them by their tokens
 */
export function pushMany(
  t: CheckContext,
  { ring, memory }: Pick<RunningDevice, "ring" | "memory">,
  count: number,
  kick = true,
): ReadonlyMap<number, KitRequest> {
  const requests = Array.from({ length: count }, () => t.kit.request(memory));
  const pushed = requests.map(
    (request) => [ring.add(request.readable, request.writable), request] as const,
  );
  if (kick) ring.kick.signal();
  return new Map(pushed);
}

/** Busy-waits: the time is shorter than a timer's resolution. */
export function spin(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/**
 * Takes the completions of requests.
 *
 * @throws {CaseFailure} there are fewer, or an answer is wrong
 */
export async function completions(
  t: CheckContext,
  ring: Ring,
  requests: ReadonlyMap<number, KitRequest>,
): Promise<void> {
  for (let i = 1; i <= requests.size; i += 1) {
    const done = await ring.expectCompletion(`request ${i} of ${requests.size}`);
    const request = requests.get(done.token);
    if (request !== undefined) t.expectAnswer(request, done);
  }
}
