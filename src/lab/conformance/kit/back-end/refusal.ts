import type { RingStep } from "./ring.ts";
import type { Attempt, Session } from "./session.ts";

/**
 * Sends requests of which one may be refused, until one is. Returns undefined if all were accepted.
 *
 * @throws {CaseFailure} the target hangs
 */
export async function firstRefusal(
  session: Session,
  steps: readonly RingStep[],
): Promise<Attempt | undefined> {
  for (const { request, payload, fds } of steps) {
    const attempt = await session.attempt(request, payload, { fds });
    if (!attempt.alive || (attempt.ack ?? 0n) !== 0n) return attempt;
  }
  return undefined;
}

/** Returns the steps with one payload changed. */
export function changed<T>(
  steps: readonly RingStep[],
  request: number,
  change: (payload: T) => T,
): RingStep[] {
  return steps.map((step) =>
    step.request === request ? { ...step, payload: change(step.payload as T) } : step,
  );
}
