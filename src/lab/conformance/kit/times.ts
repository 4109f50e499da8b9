/** How long the suite waits, milliseconds. */
export interface Times {
  /** For an answer on a connection. */
  readonly answerMs: number;
  /** For a new connection to be served. */
  readonly againMs: number;
  /** For a completion and its call. */
  readonly callMs: number;
  /**
   * For what must not happen, before the suite looks whether it did. A factor below 1 does not shorten
   * it: what comes late would pass then.
   */
  readonly graceMs: number;
  /** Between the parts of a message: the target should see them separately. */
  readonly gapMs: number;
  /** For the target to release descriptors and mappings. */
  readonly settleMs: number;
  /** For a check as a whole. */
  readonly checkMs: number;
}

const STANDARD: Times = {
  answerMs: 1000,
  againMs: 5000,
  callMs: 2000,
  graceMs: 200,
  gapMs: 30,
  settleMs: 2000,
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
    checkMs: checkMs * factor,
  };
}
