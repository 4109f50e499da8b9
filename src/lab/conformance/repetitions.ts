import type { CaseResult } from "../results/index.ts";

/**
 * Results of checks that are made many times. Of those that pass, the first says what went to and
 * fro: otherwise memory and reports would grow with every repetition.
 */
export class Repetitions {
  readonly #passed = new Set<string>();

  /** The result as it is to be kept. */
  kept(result: CaseResult): CaseResult {
    if (result.verdict !== "PASS") return result;
    if (this.#passed.has(result.id)) return { ...result, exchange: [], output: undefined };
    this.#passed.add(result.id);
    return result;
  }
}
