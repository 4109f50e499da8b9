import { recordOf, UsageError } from "../../core/base/index.ts";
import type { Verdict } from "../results/index.ts";
import type { CheckInfo } from "./kit/check.ts";
import { checks, frontendChecks } from "./registry.ts";
import { fits, unknownCheck } from "./select.ts";

/** A known finding of a target, and its reason. */
export interface Expectation {
  /** The id of a check, a pattern with `*`, or a section. */
  readonly check: string;
  readonly verdict: "FAIL" | "WARN";
  /** The finding that was confirmed, and how: a baseline must not hide findings. */
  readonly reason: string;
  /** The finding depends on a race in the target: a run without it is not an XPASS. */
  readonly sometimes?: true;
  /** The versions of the target to which the expectation applies, with `*`. Default: all. */
  readonly version?: string | undefined;
}

/** The program that a baseline is about. */
export interface BaselineTarget {
  /** The base name of the program's file. */
  readonly program: string;
  /** The beginning of its version, e.g. `7.2` for every 7.2.x. */
  readonly version: string;
}

/** Expectations about one target. */
export interface Baseline {
  readonly target?: BaselineTarget | undefined;
  readonly expectations: readonly Expectation[];
}

/** The checks of the package: a baseline may cover both roles. */
const packageChecks: readonly CheckInfo[] = [...checks, ...frontendChecks];

/** A result measured against a baseline. */
interface Measured {
  readonly verdict: Verdict;
  readonly reason: string | undefined;
}

/** Begins the reason that {@link updateBaseline} writes for a new finding. */
const UNCONFIRMED = "not confirmed yet";

/**
 * Reads a baseline.
 *
 * @param path is named in errors
 * @param known the checks that an expectation may name. Default: those of the package; with a kit of
 *   another package add its checks
 * @throws {UsageError} the text is not a baseline, or an expectation names no check or has no
 * reason
 */
export function parseBaseline(
  text: string,
  path: string,
  known: readonly CheckInfo[] = packageChecks,
): Baseline {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new UsageError(`${path} is not a baseline: it must be JSON`, { cause });
  }
  const list = recordOf(value)["expectations"];
  if (!Array.isArray(list)) {
    throw new UsageError(`${path}: a baseline must be {"expectations": [...]}`);
  }
  const expectations = list.map((each: unknown, i) =>
    parseExpectation(each, `${path}: ${i}`, known),
  );
  const target = recordOf(value)["target"];
  if (target === undefined) return { expectations };
  return { target: parseTarget(target, path), expectations };
}

function parseTarget(value: unknown, path: string): BaselineTarget {
  const { program, version } = recordOf(value);
  if (typeof program === "string" && typeof version === "string") return { program, version };
  throw new UsageError(`${path}: "target" must have "program" and "version", both text`);
}

function parseExpectation(value: unknown, where: string, known: readonly CheckInfo[]): Expectation {
  const { check, verdict, reason, sometimes, version } = recordOf(value);
  if (typeof check !== "string" || (verdict !== "FAIL" && verdict !== "WARN")) {
    throw new UsageError(`${where}: an expectation must have "check" and "verdict" (FAIL or WARN)`);
  }
  if (!known.some(({ id }) => fits(id, check))) {
    throw new UsageError(`${where}: ${unknownCheck(known, check)}`);
  }
  if (typeof reason !== "string" || reason.trim() === "") {
    throw new UsageError(`${where} (${check}): "reason" must be a text that is not empty`);
  }
  if (version !== undefined && typeof version !== "string") {
    throw new UsageError(`${where} (${check}): "version" must be a text`);
  }
  if (sometimes !== undefined && typeof sometimes !== "boolean") {
    throw new UsageError(`${where} (${check}): "sometimes" must be true or false`);
  }
  return { check, verdict, reason, version, ...(sometimes && { sometimes }) };
}

/** Compares a result with what is expected of this version of the target. */
export function measure(
  result: { readonly id: string; readonly verdict: Verdict; readonly reason?: string | undefined },
  baseline: Baseline,
  version: string | undefined,
): Measured {
  const { verdict, reason } = result;
  const expected = baseline.expectations.find(
    (each) => fits(result.id, each.check) && isFor(each, version),
  );
  if (expected === undefined) return { verdict, reason };
  if (verdict === expected.verdict) return { verdict: "XFAIL", reason: expected.reason };
  const better = verdict === "PASS" || verdict === "INFO" || verdict === "WARN";
  if (!better || expected.sometimes) return { verdict, reason };
  const change = `${expected.verdict} was expected (${expected.reason}), ${verdict} came`;
  return { verdict: "XPASS", reason: `${change}: remove it from the baseline` };
}

function isFor({ version }: Expectation, actual: string | undefined): boolean {
  if (version === undefined) return true;
  if (actual === undefined) return false;
  const escaped = version.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*");
  return new RegExp(`^${escaped}$`).test(actual);
}

/**
 * Returns the baseline that a run would pass: new results of checks that ran, old expectations of
 * the rest. Reasons stay where check and verdict do.
 */
export function updateBaseline(
  baseline: Baseline,
  results: readonly {
    readonly id: string;
    readonly verdict: Verdict;
    readonly reason?: string | undefined;
  }[],
  version: string | undefined,
): Baseline {
  const made = new Set(results.filter(({ verdict }) => verdict !== "SKIP").map(({ id }) => id));
  const kept = baseline.expectations.filter(
    (each) =>
      !isFor(each, version) || each.check.includes("*") || each.sometimes || !made.has(each.check),
  );
  const covering = kept.filter((each) => isFor(each, version));
  const added = results.flatMap(({ id, verdict, reason }) => {
    if (verdict !== "FAIL" && verdict !== "WARN") return [];
    if (covering.some((each) => each.verdict === verdict && fits(id, each.check))) return [];
    const before = baseline.expectations.find(
      (each) => each.check === id && each.verdict === verdict && isFor(each, version),
    );
    return [before ?? { check: id, verdict, reason: `${UNCONFIRMED}: ${reason ?? ""}` }];
  });
  return { ...baseline, expectations: [...kept, ...added] };
}
