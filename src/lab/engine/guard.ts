import { Deferred } from "../../core/base/index.ts";
import { CaseSkip } from "./failure.ts";

/**
 * Waits until a case ends, at most for its time limit. Work that goes on after that ends when the
 * adapter closes the case's context.
 *
 * A case waits for each answer with a limit of its own, and fails when none comes. One that exceeds
 * this limit got all its answers until then: the target or the machine is slow, and breaks no rule.
 *
 * @throws {CaseSkip} the limit is exceeded, and the case is not judged; what the case throws;
 *   `signal.reason`
 */
export async function withinLimit(
  id: string,
  limitMs: number,
  signal: AbortSignal | undefined,
  run: () => void | Promise<void>,
): Promise<void> {
  const late = new CaseSkip(`${id} did not end within ${limitMs} ms; give it more time`, {
    notJudged: true,
  });
  const limit = new Deferred<void>({ timeoutMs: limitMs, signal }, () => late);
  Promise.resolve(run()).then(
    () => limit.resolve(),
    (error: unknown) => limit.reject(error),
  );
  await limit.promise;
}
