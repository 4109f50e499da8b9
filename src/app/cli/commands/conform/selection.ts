import type { CheckInfo } from "../../../../lab/conformance/index.ts";
import { frontendChecks, selectChecks, type Selection } from "../../../../lab/conformance/index.ts";
import type { Output } from "../../output.ts";

/** Prints checks; needs no target. */
export function listChecks(chosen: readonly CheckInfo[], json: boolean, output: Output): void {
  const rows = chosen.map(({ id, title, strength, section }) => ({ id, title, strength, section }));
  if (json) return output.json({ schemaVersion: 1, kind: "check-list", checks: rows });
  for (const { id, title, strength } of rows) {
    output.print(`${id.padEnd(12)} ${strength.padEnd(10)} ${title}`);
  }
}

/**
 * Returns the checks for `--list`: all, or those of a selection.
 *
 * @throws {UsageError}
 */
export function listed(
  checks: readonly CheckInfo[],
  selection: Selection,
  frontEnd: boolean,
): CheckInfo[] {
  const { only, profile } = selection;
  const every: readonly CheckInfo[] = [...checks, ...frontendChecks];
  if (frontEnd)
    return selectChecks(frontendChecks, {
      ...selection,
      profile: selection.profile ?? "front-end",
    });
  return selectChecks(
    every,
    only === undefined && profile === undefined ? { ...selection, only: ["*"] } : selection,
  );
}

/** Prints what would be made, and what would be skipped and why. */
export function printPlan<C extends CheckInfo>(
  chosen: readonly C[],
  lacking: (check: C) => string | undefined,
  output: Output,
): void {
  for (const check of chosen) {
    const reason = lacking(check);
    const skipped = reason === undefined ? "" : ` (SKIP: ${reason})`;
    output.print(`${check.id.padEnd(12)} ${check.title}${skipped}`);
  }
}
