/** The time-outs of the suite, milliseconds. */
export interface Times {
  /** Limit for a reply on a connection. */
  readonly answerMs: number;
  /** Limit until a new connection is served. */
  readonly againMs: number;
  /** Limit for a completion and its call. */
  readonly callMs: number;
  /**
   * For what must not happen, before the suite looks whether it did. A factor below 1 does not shorten
   * it: what comes late would pass then.
   */
  readonly graceMs: number;
  /** Between the parts of a message: the target should see them separately. */
  readonly gapMs: number;
  /** Limit until the target has released descriptors and mappings. */
  readonly settleMs: number;
  /**
   * Limit for the start or the end of a program. A factor below 1 does not shorten it: how long a
   * runtime takes to start says nothing about the target.
   */
  readonly programMs: number;
  /** Limit for a check as a whole. */
  readonly checkMs: number;
}

const STANDARD: Times = {
  answerMs: 1000,
  againMs: 5000,
  callMs: 2000,
  graceMs: 200,
  gapMs: 30,
  settleMs: 2000,
  programMs: 5000,
  checkMs: 30_000,
};

/**
 * @param factor multiplies all of them, for slow targets (sanitizers, emulation)
 * @param checkMs of one check as a whole, before the factor
 */
export function timesOf(factor = 1, checkMs: number = STANDARD.checkMs): Times {
  return {
    answerMs: STANDARD.answerMs * factor,
    againMs: STANDARD.againMs * factor,
    callMs: STANDARD.callMs * factor,
    graceMs: STANDARD.graceMs * Math.max(1, factor),
    gapMs: STANDARD.gapMs * Math.max(1, factor),
    settleMs: STANDARD.settleMs * factor,
    programMs: STANDARD.programMs * Math.max(1, factor),
    checkMs: checkMs * factor,
  };
}
