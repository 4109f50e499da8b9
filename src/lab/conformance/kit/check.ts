import type { Case, CaseInfo, Observation } from "../../engine/index.ts";
import type { Strength } from "../../results/index.ts";
import type { CheckContext } from "./back-end/context.ts";
import type { FrontendContext } from "./front-end/context.ts";
import type { Needs } from "./back-end/needs.ts";

/** The description of a check. */
export interface CheckInfo extends CaseInfo {
  readonly strength: Strength;
  readonly section: string;
  /** Without it the check cannot pass. */
  readonly observes: readonly Observation[];
}

/** A check of a back-end: the suite is the front-end. */
export interface Check extends CheckInfo, Case<CheckContext> {
  readonly strength: Strength;
  readonly section: string;
  readonly observes: readonly Observation[];
  readonly needs?: Needs;
  /**
   * True if the check may upset the target: a clean session must be served before and after it.
   * Default: the strength is ROBUSTNESS.
   */
  readonly hostile?: boolean;
}

/** A check of a front-end: the suite is the back-end, and plays the device. */
export interface FrontendCheck extends CheckInfo, Case<FrontendContext> {
  readonly strength: Strength;
  readonly section: string;
  readonly observes: readonly Observation[];
  /**
   * True if the check stops, resets or migrates the machine, so that it needs a monitor ({qmp}).
   */
  readonly needsMonitor?: true;
}

/** Returns whether a clean session must be served before and after a check. */
export function isHostile({
  hostile,
  strength,
}: {
  readonly hostile?: boolean;
  readonly strength: Strength;
}): boolean {
  return hostile ?? strength === "ROBUSTNESS";
}
