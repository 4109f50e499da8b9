import type { CheckContext } from "./context.ts";
import type { FrontendContext } from "./kit/front-end/context.ts";
import type { Needs } from "./needs.ts";
import type { Strength } from "../results/index.ts";

/** What there is to know of a check without making it. */
export interface CheckInfo {
  /** `section/number`; stable for ever. */
  readonly id: string;
  /** What must hold, as a sentence. */
  readonly title: string;
  readonly strength: Strength;
  /** Headings of the vhost-user specification, or sections of VIRTIO. */
  readonly section: string;
}

/** A check of a back-end: the suite is the front-end. */
export interface Check extends CheckInfo {
  readonly needs?: Needs;
  /**
   * What it does may upset the target: a clean session is made before and after it. Default: the
   * strength is ROBUSTNESS.
   */
  readonly hostile?: boolean;
  run(t: CheckContext): Promise<void>;
}

/** A check of a front-end: the suite is the back-end, and plays the device. */
export interface FrontendCheck extends CheckInfo {
  /** Only with a monitor ({qmp}): the check stops, resets or migrates the machine. */
  readonly needsMonitor?: true;
  /** It starts the front-end over and over, and may take so many times as long as others. */
  readonly patience?: number;
  run(t: FrontendContext): Promise<void>;
}

/** Whether a clean session is made before and after it. */
export function isHostile(check: Check): boolean {
  return check.hostile ?? check.strength === "ROBUSTNESS";
}
