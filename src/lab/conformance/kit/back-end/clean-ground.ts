import { CaseFailure } from "../../../engine/index.ts";
import type { CaseResult } from "../../../results/index.ts";
import type { CheckInfo } from "../check.ts";
import { failedCheck } from "../failed-check.ts";
import type { CheckContext } from "./context.ts";
import { expectCleanSession } from "./clean-session.ts";

/** The rule that every other check rests on. */
export const CLEAN_SESSION: CheckInfo = {
  id: "clean/1",
  title: "a session of valid messages alone is served, with a request whose data arrives",
  strength: "MUST",
  section: "Communication",
  tags: ["smoke"],
  observes: ["service"],
};

/**
 * Opens clean sessions before checks. One that fails is a finding of its own, reported once; the
 * checks behind it are not judged until the target serves one.
 */
export class CleanGround {
  #failing = false;
  #found: CaseResult[] = [];

  /** @throws {CaseSkip} the target serves no clean session: the check is not judged */
  async expect(t: CheckContext): Promise<void> {
    const start = performance.now();
    try {
      await expectCleanSession(t, "before");
      this.#failing = false;
    } catch (error) {
      if (!(error instanceof CaseFailure)) throw error;
      if (!this.#failing) this.#report(t, error, performance.now() - start);
      this.#failing = true;
      t.notJudged(`no clean session is served before it, see ${CLEAN_SESSION.id}`);
    }
  }

  /** Takes the result of a case into account: a failure that was reported is not reported again. */
  saw({ id, verdict }: CaseResult): void {
    if (id === CLEAN_SESSION.id) this.#failing = verdict === "FAIL";
  }

  /** Returns what was found since this was called before. */
  found(): readonly CaseResult[] {
    const found = this.#found;
    this.#found = [];
    return found;
  }

  #report(t: CheckContext, failure: CaseFailure, ms: number): void {
    t.exchange.markDeciding();
    const evidence = { exchange: [...t.exchange.lines], ms };
    this.#found.push(failedCheck(CLEAN_SESSION, failure, evidence));
  }
}
