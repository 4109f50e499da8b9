import { UsageError } from "../../core/base/index.ts";
import type { Verdict } from "../results/index.ts";
import type { CheckInfo } from "./kit/check.ts";
import { checks, frontendChecks } from "./registry.ts";
import { fits, unknownCheck } from "./select.ts";

/** A verdict that a target is known to earn, and why. */
export interface Expectation {
  /** Id, id with `*`, or section. */
  readonly check: string;
  readonly verdict: "FAIL" | "WARN";
  /** What was confirmed, and how: a baseline is no place to hide things. */
  readonly reason: string;
  /** A race of the target's own: a run that sees nothing of it is no surprise. */
  readonly sometimes?: true;
  /** Only for these versions of the target, with `*`. Default: all. */
  readonly version?: string | undefined;
}

/** The program that a baseline is about. */
export interface BaselineTarget {
  /** As it is called: the base name of its file. */
  readonly program: string;
  /** The beginning of its version, e.g. `7.2` for every 7.2.x. */
  readonly version: string;
}

/** Expectations about one target. */
export interface Baseline {
  readonly target?: BaselineTarget | undefined;
  readonly expectations: readonly Expectation[];
}

/** Every check that an expectation may name: a baseline may cover both roles. */
const known: readonly CheckInfo[] = [...checks, ...frontendChecks];

/** A result measured against a baseline. */
interface Measured {
  readonly verdict: Verdict;
  readonly reason: string | undefined;
}

/** For {@link updateBaseline}: nobody has looked into it yet. */
const UNCONFIRMED = "not confirmed yet";

/** @throws {UsageError} the text is no baseline, or an expectation names no check or has no reason */
export function parseBaseline(text: string, path: string): Baseline {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new UsageError(`${path}: expected a baseline in JSON, got something else`, { cause });
  }
  const list = isRecord(value) ? value["expectations"] : undefined;
  if (!Array.isArray(list)) {
    throw new UsageError(`${path}: expected {"expectations": [...]}, got something else`);
  }
  const expectations = list.map((each: unknown, i) => parseExpectation(each, `${path}: ${i}`));
  const target = isRecord(value) ? value["target"] : undefined;
  if (target === undefined) return { expectations };
  return { target: parseTarget(target, path), expectations };
}

function parseTarget(value: unknown, path: string): BaselineTarget {
  const { program, version } = isRecord(value) ? value : {};
  if (typeof program === "string" && typeof version === "string") return { program, version };
  throw new UsageError(`${path}: "target" must have "program" and "version", both text`);
}

function parseExpectation(value: unknown, where: string): Expectation {
  const { check, verdict, reason, sometimes, version } = isRecord(value) ? value : {};
  if (typeof check !== "string" || (verdict !== "FAIL" && verdict !== "WARN")) {
    throw new UsageError(`${where}: expected "check" and "verdict" (FAIL or WARN)`);
  }
  if (!known.some(({ id }) => fits(id, check))) {
    throw new UsageError(`${where}: ${unknownCheck(known, check)}`);
  }
  if (typeof reason !== "string" || reason.trim() === "") {
    throw new UsageError(`${where} (${check}): expected a reason`);
  }
  if (version !== undefined && typeof version !== "string") {
    throw new UsageError(`${where} (${check}): expected "version" to be text`);
  }
  if (sometimes !== undefined && typeof sometimes !== "boolean") {
    throw new UsageError(`${where} (${check}): expected "sometimes" to be true or false`);
  }
  return { check, verdict, reason, version, ...(sometimes && { sometimes }) };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

/** Holds a result against what is expected of this version of the target. */
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
  const told = `${expected.verdict} was expected (${expected.reason}), ${verdict} came`;
  return { verdict: "XPASS", reason: `${told}: take it out of the baseline` };
}

function isFor({ version }: Expectation, actual: string | undefined): boolean {
  if (version === undefined) return true;
  if (actual === undefined) return false;
  const escaped = version.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*");
  return new RegExp(`^${escaped}$`).test(actual);
}

/**
 * The baseline that a run would pass: what was made anew, and what was not made as it was. Reasons
 * stay where check and verdict do.
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
