import { CaseFailure } from "../../engine/index.ts";
import { endText, type ProcessEnd } from "./target.ts";

/**
 * Matches the output of a C library, a sanitizer or a language's runtime about a bug of the
 * program.
 */
const COMPLAINT =
  /Assertion [`'].*failed|(?:Address|Thread|Memory|UndefinedBehavior)Sanitizer|runtime error: |panicked at|stack smashing detected|double free|malloc\(\): |free\(\): /;

/**
 * Returns the failure of a target that died during a check; undefined if it did not.
 *
 * @param mayExit whether an orderly end of the process is not a failure
 * @param ended what ended the check: it names the step at which the target died
 */
export function deathOf(
  mayExit: boolean,
  ends: readonly ProcessEnd[],
  output: string,
  ended: unknown,
): CaseFailure | undefined {
  const end = ends.find(({ signal }) => signal !== null) ?? (mayExit ? undefined : ends[0]);
  // A process in a sandbox of its own hides how it ended, and a sanitizer does not always end it.
  const [complaint] = output.split("\n").filter((text) => COMPLAINT.test(text));
  if (end === undefined && complaint === undefined) return undefined;
  const actual = [end && endText(end), complaint?.trim()].filter(Boolean).join(": ");
  const step = ended instanceof CaseFailure ? ` (${ended.message})` : "";
  return new CaseFailure(`the target's process crashed${step}`, {
    grade: "FAIL",
    expected: "a process that goes on",
    actual,
  });
}
