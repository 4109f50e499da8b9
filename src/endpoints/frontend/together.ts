import { TimeoutError } from "../../core/base/index.ts";

/**
 * Waits for requests that were sent one behind another without waiting in between: for all of them,
 * whatever the first results in, so that nothing is outstanding afterwards. Replies bear no numbers and
 * come in the order of the requests, so this takes as long as one round trip.
 *
 * @param sent in the order they were sent
 * @throws the error of the first of them to fail: what follows it may fail because of it
 */
export async function together(sent: readonly Promise<unknown>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(sent)) {
    if (outcome.status === "rejected") throw outcome.reason;
  }
}

/**
 * Does what needs no answer while one is outstanding.
 *
 * @throws what the work throws, at once: the answer is given up, and the caller ends the session
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
