import type { CaseResult } from "../results/index.ts";
import type { Case } from "./case.ts";
import type { Observations } from "./verdict.ts";

/** The evidence that is left when a case has ended. */
export interface Evidence extends Observations {
  /**
   * The value that decides about the case instead of its own error, for example the death of the
   * target's process.
   *
   * A {@link CaseFailure} is a violation, a {@link CaseSkip} skips the case, any other value is
   * ERROR.
   */
  readonly ended: unknown;
  readonly exchange?: readonly string[];
  /** The output of the target. */
  readonly output?: string | undefined;
}

/** A target that cannot be reached any more. */
export interface Lost {
  /** The reason, in one sentence about the run. */
  readonly reason: string;
  /** The reason why each remaining case is skipped, in a few words. */
  readonly because: string;
}

/** Connects the engine to one kind of target: everything that differs between the engine's users. */
export interface Adapter<Context, C extends Case<Context> = Case<Context>> {
  /** Returns why a case cannot run on this target; undefined if it can. */
  missing?(each: C): string | undefined;
  /**
   * Returns a case's time limit in milliseconds; undefined if the case observes the signal itself.
   */
  limitMs?(each: C): number;
  /** Makes the context of one case. */
  open(each: C): Context;
  /** Runs the case in its context; the default calls {@link Case.run}. */
  run?(each: C, context: Context): Promise<void>;
  /**
   * Releases everything that the case acquired, and returns the evidence.
   *
   * @param ended what the case threw; undefined if nothing
   * @throws what ends the whole run
   */
  close(context: Context, ended: unknown): Promise<Evidence>;
  /**
   * Called after each case: returns what was found before it and does not belong to it, as results
   * that precede its result. Each is returned once.
   */
  found?(): readonly CaseResult[];
  /** Called once after the last case: puts back what the adapter changed on the target. */
  end?(): Promise<void>;
  /** Called after each case: returns why the target is lost; undefined if it still serves. */
  lost?(context: Context, result: CaseResult): Promise<Lost | undefined>;
}
