import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { UsageError } from "../../../base/index.ts";
import {
  type Baseline,
  type CheckResult,
  measure,
  parseBaseline,
  updateBaseline,
} from "../../../suite/index.ts";
import { withUserFile } from "../../files.ts";
import type { ConformOptions } from "./options.ts";

const NOTHING: Baseline = { expectations: [] };

/** What is expected of a target, and the results that are held against it. */
export class Expected {
  readonly #options: ConformOptions;
  readonly #baseline: Baseline;
  readonly #results: CheckResult[] = [];

  /** @throws {UsageError} the file is no baseline, or `--update-baseline` stands alone */
  constructor(options: ConformOptions) {
    const { baseline: path, updateBaseline: update } = options;
    if (update && path === undefined) {
      throw new UsageError("expected --update-baseline with --baseline, the file to write");
    }
    this.#options = options;
    this.#baseline = path === undefined ? NOTHING : readBaseline(path, update === true);
  }

  /** With the verdict that it has against the baseline; while that is updated, its own. */
  measure(result: CheckResult) {
    this.#results.push(result);
    if (this.#options.updateBaseline) return result;
    return { ...result, ...measure(result, this.#baseline, this.#options.targetVersion) };
  }

  /** Writes the baseline that this run would pass, if that is asked for. */
  update(): void {
    const { baseline: path, updateBaseline: wanted, targetVersion } = this.#options;
    if (!wanted || path === undefined) return;
    const updated = updateBaseline(this.#baseline, this.#results, targetVersion);
    writeFileSync(path, `${JSON.stringify(updated, null, 2)}\n`);
  }
}

function readBaseline(path: string, mayBeMissing: boolean): Baseline {
  if (mayBeMissing && !existsSync(path)) return NOTHING;
  const remedy = "make one with --update-baseline";
  const text = withUserFile(path, "a baseline", remedy, () => readFileSync(path, "utf8"));
  return parseBaseline(text, path);
}
