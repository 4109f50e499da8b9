import { existsSync, readFileSync } from "node:fs";
import { counted, UsageError } from "../../../../core/base/index.ts";
import {
  type Baseline,
  type CaseResult,
  type CheckInfo,
  knownFindings,
  measure,
  parseBaseline,
  updateBaseline,
} from "../../../../lab/conformance/index.ts";
import { saveUserFile, withUserFile } from "../../files.ts";
import type { ConformOptions } from "./options.ts";
import {
  type ShippedBaseline,
  shippedBaselines,
  shippedNames,
  targetText,
} from "./shipped-baselines.ts";

const NOTHING: Baseline = { expectations: [] };

/** The expectations about a target, and the comparison of results with them. */
export class Expected {
  readonly #options: ConformOptions;
  readonly #baseline: Baseline;
  readonly #recognised: ShippedBaseline | undefined;
  readonly #results: CaseResult[] = [];

  /**
   * @param recognised of the target's program: it changes no verdict
   * @param known the checks that a baseline may name
   * @throws {UsageError} the file is not a baseline, or `--update-baseline` has no file to write
   */
  constructor(
    options: ConformOptions,
    recognised: ShippedBaseline | undefined,
    known: readonly CheckInfo[],
  ) {
    const { baseline: path, updateBaseline: update } = options;
    if (update && path === undefined) {
      throw new UsageError("--update-baseline needs --baseline FILE, the file to write");
    }
    this.#options = options;
    this.#recognised = recognised;
    this.#baseline = path === undefined ? NOTHING : readBaseline(path, update === true, known);
  }

  /**
   * `14 known findings of qemu-storage-daemon 7.2, none new`; undefined if no baseline is about the
   * target.
   */
  summary(): string | undefined {
    const { baseline: path, updateBaseline, targetVersion } = this.#options;
    if (updateBaseline) return undefined;
    if (path !== undefined) {
      return summaryText(
        this.#results,
        this.#baseline,
        targetText(this.#baseline, path),
        targetVersion,
      );
    }
    if (this.#recognised === undefined) return undefined;
    const { name, baseline } = this.#recognised;
    const text = summaryText(this.#results, baseline, targetText(baseline, name), targetVersion);
    return `${text} (--baseline ${name} makes the known ones expected)`;
  }

  /**
   * Returns the result with its verdict against the baseline; during `--update-baseline` with its
   * own.
   */
  measure(result: CaseResult) {
    this.#results.push(result);
    if (this.#options.updateBaseline) return result;
    return { ...result, ...measure(result, this.#baseline, this.#options.targetVersion) };
  }

  /** Writes the baseline that this run would pass, if that is asked for. */
  update(): void {
    const { baseline: path, updateBaseline: wanted, targetVersion } = this.#options;
    if (!wanted || path === undefined) return;
    const updated = updateBaseline(this.#baseline, this.#results, targetVersion);
    saveUserFile(path, `${JSON.stringify(updated, null, 2)}\n`, true);
  }
}

function summaryText(
  results: readonly CaseResult[],
  baseline: Baseline,
  target: string,
  version: string | undefined,
): string {
  const { known, unknown, missed } = knownFindings(results, baseline, version);
  const fresh = unknown.length === 0 ? "none new" : `${unknown.length} new: ${unknown.join(", ")}`;
  const gone =
    missed.length === 0 ? "" : `; ${missed.length} not found any more: ${missed.join(", ")}`;
  return `${counted(known, "known finding")} of ${target}, ${fresh}${gone}`;
}

/** A file, or where there is none of that name, a baseline of the package. */
function readBaseline(path: string, mayBeMissing: boolean, known: readonly CheckInfo[]): Baseline {
  const shipped = existsSync(path) ? undefined : shippedNames().find((name) => name === path);
  if (shipped !== undefined && mayBeMissing) {
    throw new UsageError(
      `--update-baseline cannot write ${path}, a baseline of the package; use --baseline ./${path} to write a file of that name`,
    );
  }
  const found = shippedBaselines().find(({ name }) => name === shipped);
  if (found !== undefined) return found.baseline;
  if (mayBeMissing && !existsSync(path)) return NOTHING;
  const remedy =
    "make one with --update-baseline, or name one of the package: --list-baselines prints them";
  const text = withUserFile(path, "a baseline", remedy, () => readFileSync(path, "utf8"));
  return parseBaseline(text, path, known);
}
