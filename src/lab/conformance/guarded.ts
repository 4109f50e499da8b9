import { Deferred } from "../../core/base/index.ts";
import { CheckFailure } from "./failure.ts";
import type { Times } from "./times.ts";

/**
 * Runs a check within its time; what it left running ends as its sessions are closed.
 *
 * @throws {CheckFailure} too late; what the check throws; `signal.reason`
 */
export async function guarded(
  { id }: { readonly id: string },
  { checkMs }: Times,
  signal: AbortSignal | undefined,
  run: () => Promise<void>,
): Promise<void> {
  const late = new CheckFailure(`${id} took too long`, {
    grade: "FAIL",
    expected: `an end within ${checkMs} ms`,
    actual: "still waiting",
  });
  const limit = new Deferred<void>({ timeoutMs: checkMs, signal }, () => late);
  const work = run();
  work.then(
    () => limit.resolve(),
    (error: unknown) => limit.reject(error),
  );
  await limit.promise;
}
