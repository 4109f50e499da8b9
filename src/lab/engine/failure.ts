/** The severity of an observation. */
export type Grade = "FAIL" | "WARN";

/**
 * Ends a case whose rule is broken.
 *
 * @example
 * ```ts
 * import { CaseFailure } from "vhost-user/conformance";
 *
 * // Fails the check that calls it.
 * function expectCapacity(bytes: number): void {
 *   if (bytes > 0) return;
 *   throw new CaseFailure("the disk is empty", { expected: "above 0", actual: String(bytes) });
 * }
 * ```
 */
export class CaseFailure extends Error {
  /** The severity; undefined if the strength of the case decides. */
  readonly grade: Grade | undefined;
  readonly expected: string | undefined;
  readonly actual: string | undefined;

  constructor(
    message: string,
    details: { grade?: Grade | undefined; expected?: string; actual?: string } = {},
  ) {
    super(message);
    this.grade = details.grade;
    this.expected = details.expected;
    this.actual = details.actual;
  }
}

/**
 * Ends a case that cannot run here, with the reason.
 *
 * @example
 * ```ts
 * import { CaseSkip } from "vhost-user/conformance";
 *
 * // Skips the check that calls it.
 * function needsQueues(count: bigint): void {
 *   if (count < 2n) throw new CaseSkip("the device has one queue");
 * }
 * ```
 */
export class CaseSkip extends Error {
  /**
   * True if the rule applies and could not be judged, because the observation for a verdict was
   * missing. Default: the rule does not apply.
   */
  readonly notJudged: boolean;

  constructor(message: string, { notJudged = false }: { notJudged?: boolean } = {}) {
    super(message);
    this.notJudged = notJudged;
  }
}
