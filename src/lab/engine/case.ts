import type { Strength } from "../results/index.ts";
import type { Observation } from "./observation.ts";

/**
 * A tag of a case, by which profiles select.
 *
 * - `smoke`: the few cases that say in a second whether a target works at all
 * - `hostile`: breaks rules on purpose
 * - `migration`: a part of what live migration needs
 * - `random`: its inputs are random, and differ with the seed
 * - `long`: needs much time, or very much of something
 */
export type Tag = "smoke" | "hostile" | "migration" | "random" | "long";

/** The description of a case. */
export interface CaseInfo {
  /** `chapter/number`; it never changes its meaning. */
  readonly id: string;
  /** The rule, in one sentence that holds when the case passes. */
  readonly title: string;
  /** The strength of the rule; undefined if a violation is FAIL. */
  readonly strength?: Strength;
  /** Headings of the vhost-user specification, or sections of VIRTIO. */
  readonly section?: string;
  readonly tags?: readonly Tag[];
  /** The observation that a case needs to pass. Without it the case is not judged. */
  readonly observes?: readonly Observation[];
  /** Factor of the usual time limit. Default 1. */
  readonly slow?: number;
}

/** A case: what it needs is in its context. */
export interface Case<Context> extends CaseInfo {
  run(context: Context): void | Promise<void>;
}
