import { TimeoutError } from "../../core/base/index.ts";

/**
 * Waits for requests that were sent one behind another without waiting in between. It waits for all
 * of them, even if the first fails, so that none is outstanding afterwards. Replies have no numbers
 * and arrive in the order of the requests, so this takes one round trip.
 *
 * @param sent in the order they were sent
 * @throws the error of the first request that failed; later ones may fail because of it
 */
export async function together(sent: readonly Promise<unknown>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(sent)) {
    if (outcome.status === "rejected") throw outcome.reason;
  }
}

/**
 * Does work while a reply is outstanding.
 *
 * @throws errors of the work, at once: the reply is then ignored, and the caller ends the session
 */
export async function meanwhile<T>(answer: Promise<T>, work: () => void): Promise<T> {
  try {
    work();
  } catch (error) {
    answer.catch(() => undefined);
    throw error;
  }
  return answer;
}

/** Closes a connection on which `work` takes longer than the time that is left, milliseconds. */
export async function withinTime<T>(
  leftMs: number,
  connection: { close(reason: Error): void },
  work: Promise<T>,
): Promise<T> {
  if (leftMs === Infinity) return work;
  const timer = setTimeout(() => {
    connection.close(
      new TimeoutError(`the handshake was not over within ${Math.round(leftMs)} ms`),
    );
  }, leftMs);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
  }
}
