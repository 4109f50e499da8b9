import type { Verdict } from "./verdict.ts";

/**
 * The strength of a rule. Breaking a MUST is FAIL, a SHOULD is WARN. The specification does not
 * demand ROBUSTNESS, but a crash, a hang or a leak is FAIL. For `-` the observation is recorded and
 * not judged.
 */
export type Strength = "MUST" | "SHOULD" | "ROBUSTNESS" | "-";

/** One observation that breaks the rule of a case. */
export interface Finding {
  readonly message: string;
  readonly expected?: string | undefined;
  readonly actual?: string | undefined;
}

/** The result of one case, with the evidence for its verdict. */
export interface CaseResult {
  /** `chapter/number` */
  readonly id: string;
  /** The rule, in one sentence that holds when the case passes. */
  readonly title: string;
  /**
   * The strength of the rule; undefined for tests of this package, as only specifications have
   * rules of different strength.
   */
  readonly strength?: Strength | undefined;
  /** Headings of the vhost-user specification, or sections of VIRTIO. */
  readonly section?: string | undefined;
  readonly verdict: Verdict;
  /** The reason why the verdict is not PASS, in one line. */
  readonly reason?: string | undefined;
  /** True if the rule applies to the target and could not be judged; the verdict is SKIP. */
  readonly notJudged?: true | undefined;
  /** The observations of the target, among those that a case can require. */
  readonly observed?: readonly string[] | undefined;
  readonly findings: readonly Finding[];
  /** Values that were recorded and not judged. */
  readonly values: readonly string[];
  readonly durationMs: number;
  /** Messages and events of the case, decoded, one line each; one that decided the verdict ends in ` ◀`. */
  readonly exchange: readonly string[];
  /** The output of the program under test during the case. */
  readonly output?: string | undefined;
  /** The command line that runs this case alone. */
  readonly repeat?: string | undefined;
}

/** The results of a group of cases. */
export interface GroupResult {
  /** The group's name on the command line. */
  readonly name: string;
  readonly title: string;
  readonly durationMs: number;
  readonly results: readonly CaseResult[];
}

/** The version of this package that made a report. */
export interface ReportTool {
  readonly name: "vhost-user";
  readonly version: string;
}

/** Returns the part of an id in front of the slash. */
export function chapterOf({ id }: { readonly id: string }): string {
  return id.slice(0, id.indexOf("/"));
}

/** Groups results by their chapter, in the order in which the chapters first appear. */
export function byChapter(results: readonly CaseResult[]): GroupResult[] {
  const chapters = new Set(results.map(chapterOf));
  return [...chapters].map((name) => {
    const mine = results.filter((result) => chapterOf(result) === name);
    const durationMs = mine.reduce((sum, result) => sum + result.durationMs, 0);
    return { name, title: name, durationMs, results: mine };
  });
}
