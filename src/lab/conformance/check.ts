import type { DeviceName } from "../../core/protocol/index.ts";
import type { CheckContext } from "./context.ts";
import type { FrontendContext } from "./kit/front-end/context.ts";

/**
 * How much a rule binds. What breaks a MUST is FAIL, a SHOULD is WARN; ROBUSTNESS is not promised by
 * the text, but a crash, a hang or a leak is FAIL; of `-` the value is recorded and not judged.
 */
export type Strength = "MUST" | "SHOULD" | "ROBUSTNESS" | "-";

/** Without these a check is skipped, with the reason. */
export interface Needs {
  /** The device must be one of these. */
  readonly device?: readonly DeviceName[];
  /** Virtio feature bits that must be offered. */
  readonly virtio?: bigint;
  /** Protocol feature bits that must be offered. */
  readonly protocol?: bigint;
  /** Queues that the device must have. */
  readonly queues?: number;
  /** The suite must know the target's process: it started it, or was told its id. */
  readonly process?: true;
  /** The suite must have started the target, by words to which a check can add options. */
  readonly program?: true;
  /** A device whose requests the suite knows. */
  readonly request?: true;
}

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

/** The part of an id in front of the slash. */
export function sectionOf({ id }: CheckInfo): string {
  return id.slice(0, id.indexOf("/"));
}

/** Whether a clean session is made before and after it. */
export function isHostile(check: Check): boolean {
  return check.hostile ?? check.strength === "ROBUSTNESS";
}
