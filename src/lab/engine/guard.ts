import { Deferred } from "../../core/base/index.ts";
import { CaseFailure } from "./failure.ts";

/**
 * Waits until a case ends, at most for its time limit. Work that goes on after that ends when the
 * adapter closes the case's context.
 *
 * @throws {CaseFailure} the limit is exceeded; what the case throws; `signal.reason`
 */
export async function withinLimit(
  id: string,
  limitMs: number,
  signal: AbortSignal | undefined,
  run: () => void | Promise<void>,
): Promise<void> {
  const late = new CaseFailure(`${id} took too long`, {
    grade: "FAIL",
    expected: `an end within ${limitMs} ms`,
    actual: "still waiting",
  });
  const limit = new Deferred<void>({ timeoutMs: limitMs, signal }, () => late);
  Promise.resolve(run()).then(
    () => limit.resolve(),
    (error: unknown) => limit.reject(error),
  );
  await limit.promise;
}
