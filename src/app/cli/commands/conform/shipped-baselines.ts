/** Baselines of real programs, which the package brings along. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { counted } from "../../../../core/base/index.ts";
import { packagePath } from "../../../../core/os/index.ts";
import { type Baseline, parseBaseline } from "../../../../lab/conformance/index.ts";
import type { Output } from "../../output.ts";

const folder = packagePath("baselines");

/** A baseline and the name by which `--baseline` takes it. */
export interface ShippedBaseline {
  readonly name: string;
  readonly baseline: Baseline;
}

/** Their names, without reading them. */
export function shippedNames(): string[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(".json"))
    .map((file) => file.slice(0, -".json".length))
    .sort();
}

/** Returns all baselines of the package. */
export function shippedBaselines(): ShippedBaseline[] {
  return shippedNames().map((name) => {
    const file = `${name}.json`;
    return { name, baseline: parseBaseline(readFileSync(join(folder, file), "utf8"), file) };
  });
}

/** `qemu-storage-daemon 7.2`; of a baseline that names no target, the name that it was given by. */
export function targetText({ target }: Baseline, name: string): string {
  return target === undefined ? name : `${target.program} ${target.version}`;
}

/** Prints them; needs no target. */
export function listBaselines(json: boolean, output: Output): void {
  const rows = shippedBaselines().map(({ name, baseline }) => ({
    name,
    ...baseline.target,
    expectations: baseline.expectations.length,
  }));
  if (json) return output.json({ schemaVersion: 1, kind: "baseline-list", baselines: rows });
  for (const { name, program = "", version = "", expectations } of rows) {
    const target = `${program} ${version}`.padEnd(26);
    output.print(`${name.padEnd(26)} ${target} ${counted(expectations, "known finding")}`);
  }
}
