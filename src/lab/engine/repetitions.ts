import type { CaseResult } from "../results/index.ts";

/**
 * Thins out the results of repeated cases: only the first PASS of a case keeps its exchange and output.
 * Otherwise memory and reports would grow with every repetition.
 */
export class Repetitions {
  readonly #passed = new Set<string>();

  /** Returns the result in the form to keep. */
  kept(result: CaseResult): CaseResult {
    if (result.verdict !== "PASS") return result;
    if (this.#passed.has(result.id)) return { ...result, exchange: [], output: undefined };
    this.#passed.add(result.id);
    return result;
  }
}
