import type { Strength } from "../results/index.ts";
import type { Observation } from "./observation.ts";

/**
 * What a case belongs to besides its chapter; profiles select by tags.
 *
 * - `smoke`: the few cases that say in a second whether a target works at all
 * - `hostile`: breaks rules on purpose
 * - `migration`: a part of what live migration needs
 * - `random`: its inputs are random, and differ with the seed
 * - `long`: needs much time, or very much of something
 */
export type Tag = "smoke" | "hostile" | "migration" | "random" | "long";

/** What is known of a case without running it. */
export interface CaseInfo {
  /** `chapter/number`; it never changes its meaning. */
  readonly id: string;
  /** The rule, in one sentence that holds when the case passes. */
  readonly title: string;
  /** Undefined if a violation is FAIL. */
  readonly strength?: Strength;
  /** Headings of the vhost-user specification, or sections of VIRTIO. */
  readonly section?: string;
  readonly tags?: readonly Tag[];
  /** What must have been observed before the case can pass. Without it the case is not judged. */
  readonly observes?: readonly Observation[];
  /** How many times the usual time limit the case may take. Default 1. */
  readonly slow?: number;
}

/** A case: what it needs is in its context. */
export interface Case<Context> extends CaseInfo {
  run(context: Context): void | Promise<void>;
}
