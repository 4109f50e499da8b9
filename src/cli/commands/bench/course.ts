import { PeerClosedError } from "../../../base/index.ts";
import type { Context } from "../../context.ts";
import { CommandError, ExitCode } from "../../exit-code.ts";

/** Shows how a load goes, second by second, and keeps it. */
export interface CourseDisplay {
  /** Completions in each second, warm-up included. */
  readonly perSecond: readonly number[];
  readonly onStart: () => void;
  readonly onSecond: (completed: number) => void;
  /** Waits for the load; a connection that is lost once it began is a failure, not a bad target. */
  watch<T>(load: Promise<T>): Promise<T>;
}

export function displayCourse({ output }: Context, unit: string): CourseDisplay {
  const perSecond: number[] = [];
  let started = false;
  return {
    perSecond,
    onStart: () => {
      started = true;
    },
    onSecond: (completed) => {
      perSecond.push(completed);
      output.progress(() => `${perSecond.length} s: ${completed.toLocaleString("en-US")} ${unit}`);
    },
    watch: async (load) =>
      load.catch((error: unknown) => {
        if (!started || !(error instanceof PeerClosedError)) throw error;
        throw new CommandError(ExitCode.Failed, error.message, { cause: error });
      }),
  };
}
