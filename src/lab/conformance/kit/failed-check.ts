import type { CaseFailure } from "../../engine/index.ts";
import type { CaseResult } from "../../results/index.ts";
import type { CheckInfo } from "./check.ts";

/** The evidence of a failure. */
export interface FailureEvidence {
  /** The messages, as lines. */
  readonly exchange: readonly string[];
  /** The output of the program under test; empty for none. */
  readonly output?: string;
  /** Milliseconds. */
  readonly ms: number;
}

/** Returns the result of a check that failed and is reported outside of a run of its own. */
export function failedCheck(
  { id, title, strength, section }: CheckInfo,
  { message, expected, actual }: Pick<CaseFailure, "message" | "expected" | "actual">,
  { exchange, output = "", ms }: FailureEvidence,
): CaseResult {
  return {
    id,
    title,
    strength,
    section,
    verdict: "FAIL",
    reason: `${message}: expected ${expected}, got ${actual}`,
    findings: [{ message, expected, actual }],
    values: [],
    durationMs: Math.round(ms),
    exchange,
    ...(output !== "" && { output }),
  };
}
