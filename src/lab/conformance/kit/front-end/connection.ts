import { CaseSkip } from "../../../engine/index.ts";
import type { CaseResult } from "../../../results/index.ts";
import type { CheckInfo } from "../check.ts";
import { failedCheck, type FailureEvidence } from "../failed-check.ts";
import { SilentFrontend } from "./silent-front-end.ts";

/** The rule that every other check of a front-end rests on. */
export const CONNECTS: CheckInfo = {
  id: "fe/80",
  title: "the front-end connects to its socket and sends a request",
  strength: "MUST",
  section: "Communication",
  tags: ["smoke"],
  observes: ["request"],
};

/**
 * Keeps apart that a front-end sends nothing from what its checks find: it is a finding of its own,
 * reported once, and the checks that met it are not judged.
 */
export class Connections {
  #failing = false;
  #found: CaseResult[] = [];

  /** Returns what decides about a check that ended so. */
  instead(id: string, ended: unknown, evidence: FailureEvidence): unknown {
    if (!(ended instanceof SilentFrontend) || id === CONNECTS.id) return ended;
    if (!this.#failing) this.#found.push(failedCheck(CONNECTS, ended, evidence));
    this.#failing = true;
    return new CaseSkip(`the front-end sends nothing, see ${CONNECTS.id}`, { notJudged: true });
  }

  /** Takes the result of a check into account: a failure that was reported is not reported again. */
  saw({ id, verdict, notJudged }: CaseResult): void {
    if (id === CONNECTS.id) this.#failing = verdict === "FAIL";
    else if (notJudged !== true) this.#failing = false;
  }

  /** Returns what was found since this was called before. */
  found(): readonly CaseResult[] {
    const found = this.#found;
    this.#found = [];
    return found;
  }
}
