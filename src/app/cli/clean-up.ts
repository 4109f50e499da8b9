import type { Context } from "./context.ts";
import { CleanUpError } from "./exit-code.ts";

/** One thing to do when a command ends. */
export interface CleanUpStep {
  /** Completes "cannot …", e.g. `synchronise disk.img`. */
  readonly what: string;
  readonly run: () => void | Promise<void>;
  /** The consequence of a failure. */
  readonly consequence?: string | undefined;
}

/**
 * Works, then takes every step in order, whether the work or a step before it failed.
 *
 * @throws {CleanUpError} a step failed, and the work did not or was interrupted by a signal
 * @throws what `work` throws, unless a signal caused it; what failed in the steps is then printed
 */
export async function withCleanUp(
  { output, signal }: Context,
  steps: readonly CleanUpStep[],
  work: () => Promise<void>,
): Promise<void> {
  let failed: { readonly error: unknown } | undefined;
  try {
    await work();
  } catch (error) {
    failed = { error };
  }
  const failures = await run(steps);
  const messages = failures.map(({ message }) => message);
  if (failures.length > 0 && (failed === undefined || signal.aborted))
    throw new CleanUpError(messages.join("\n"), { cause: failures[0]?.cause });
  for (const message of messages) output.error(message);
  if (failed !== undefined) throw failed.error;
}

async function run(steps: readonly CleanUpStep[]): Promise<Error[]> {
  const failures: Error[] = [];
  for (const step of steps) {
    try {
      await step.run();
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      const then = step.consequence === undefined ? "" : `; ${step.consequence}`;
      failures.push(new Error(`cannot ${step.what}: ${message}${then}`, { cause }));
    }
  }
  return failures;
}
