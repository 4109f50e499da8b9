import type { CaseResult, Finding, Verdict } from "../results/index.ts";
import type { CaseInfo } from "./case.ts";
import { CaseFailure, CaseSkip } from "./failure.ts";
import type { Observation } from "./observation.ts";

/** The observations of a case besides the failure that ended it. */
export interface Observations {
  /** Violations that did not end the case. */
  readonly warnings: readonly CaseFailure[];
  /** Values that are recorded and not judged. */
  readonly values: readonly string[];
  /** Left out: the adapter records none, and no case of it declares any. */
  readonly observed?: ReadonlySet<Observation> | undefined;
  /** Observations that no target of this kind allows, with what is the most that it does allow. */
  readonly instead?: Readonly<Partial<Record<Observation, Observation>>> | undefined;
}

/** A verdict with its reasons. */
export interface Judgement {
  readonly verdict: Verdict;
  readonly reason?: string;
  readonly notJudged?: true;
  readonly findings: readonly Finding[];
}

/**
 * Judges a case.
 *
 * @param ended what ended it early; undefined if it ran to its end
 */
export function judge(
  { strength, observes = [] }: CaseInfo,
  { warnings, values, observed = new Set(), instead = {} }: Observations,
  ended: unknown,
): Judgement {
  const warned = warnings.map(findingOf);
  if (ended instanceof CaseSkip) {
    if (!ended.notJudged) return { verdict: "SKIP", reason: ended.message, findings: warned };
    return { ...notJudged(ended.message), findings: warned };
  }
  if (ended instanceof CaseFailure) {
    const verdict = ended.grade ?? (strength === "SHOULD" ? "WARN" : "FAIL");
    const finding = findingOf(ended);
    return { verdict, reason: line(finding), findings: [finding, ...warned] };
  }
  if (ended !== undefined) {
    const reason = ended instanceof Error ? (ended.stack ?? ended.message) : "not an error";
    return { verdict: "ERROR", reason, findings: warned };
  }
  const [first] = warned;
  if (first !== undefined) return { verdict: "WARN", reason: line(first), findings: warned };
  if (strength === "-") return { verdict: "INFO", reason: values.join("; "), findings: [] };
  const due = observes.map((each) => instead[each] ?? each);
  const missing = due.filter((each) => !observed.has(each));
  if (missing.length > 0) return notJudged(`observed no ${missing.join(" and no ")}`);
  return { verdict: "PASS", findings: [] };
}

function notJudged(reason: string): Judgement {
  return { verdict: "SKIP", reason: `not judged: ${reason}`, notJudged: true, findings: [] };
}

function findingOf({ message, expected, actual }: CaseFailure): Finding {
  return { message, expected, actual };
}

function line({ message, expected, actual }: Finding): string {
  return expected === undefined ? message : `${message}: expected ${expected}, got ${actual}`;
}

/** Returns what a result repeats of its case. */
export function headOf({
  id,
  title,
  strength,
  section,
}: CaseInfo): Pick<CaseResult, "id" | "title" | "strength" | "section"> {
  return { id, title, strength, section };
}

/**
 * Returns the result of a case that did not run.
 *
 * @param isLost it would have run on this target
 */
export function skipped(info: CaseInfo, reason: string, isLost = false): CaseResult {
  const nothing = { findings: [], values: [], durationMs: 0, exchange: [] };
  if (isLost) return { ...headOf(info), ...notJudged(reason), ...nothing };
  return { ...headOf(info), verdict: "SKIP", reason, ...nothing };
}
