import { CaseSkip } from "../../../engine/index.ts";
import type { CaseResult } from "../../../results/index.ts";
import type { CheckInfo } from "../check.ts";
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

/** The evidence of a check that met a front-end that sent nothing. */
interface Remains {
  readonly lines: readonly string[];
  readonly output: string;
  readonly ms: number;
}

/**
 * Keeps apart that a front-end sends nothing from what its checks find: it is a finding of its own,
 * reported once, and the checks that met it are not judged.
 */
export class Connections {
  #failing = false;
  #found: CaseResult[] = [];

  /** Returns what decides about a check that ended so. */
  instead(id: string, ended: unknown, remains: Remains): unknown {
    if (!(ended instanceof SilentFrontend) || id === CONNECTS.id) return ended;
    if (!this.#failing) this.#report(ended, remains);
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

  #report({ message, expected, actual }: SilentFrontend, { lines, output, ms }: Remains): void {
    const { id, title, strength, section } = CONNECTS;
    this.#found.push({
      id,
      title,
      strength,
      section,
      verdict: "FAIL",
      reason: `${message}: expected ${expected}, got ${actual}`,
      findings: [{ message, expected, actual }],
      values: [],
      durationMs: Math.round(ms),
      exchange: lines,
      ...(output !== "" && { output }),
    });
  }
}
