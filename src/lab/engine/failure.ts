/** How severe an observation is. */
export type Grade = "FAIL" | "WARN";

/** Ends a case whose rule is broken. */
export class CaseFailure extends Error {
  /** Undefined: the strength of the case decides. */
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

/** Ends a case that cannot run here, with the reason. */
export class CaseSkip extends Error {}
