import { Deferred } from "../../../core/base/index.ts";

/** Resolves when `work` has ended, however that was, or after that time; leaves no timer behind. */
export async function within(work: Promise<unknown>, timeoutMs: number): Promise<void> {
  const limit = new Deferred<void>({ timeoutMs });
  void work.catch(() => undefined).then(() => limit.resolve());
  await limit.promise.catch(() => undefined);
}
