import type { Hint } from "../../endpoints/devices/kind.ts";

/** The side of the protocol that a peer plays. */
export type Role = "back-end" | "front-end";

/** Microseconds of each phase; null: the phase did not take place. */
export interface ProbeTimings {
  readonly connect: number;
  readonly role: number;
  readonly features: number | null;
  readonly protocolFeatures: number | null;
  readonly queues: number | null;
  readonly memorySlots: number | null;
  readonly config: number | null;
}

/** Something that a back-end may do and that its users may not expect. */
export type ProbeHint = Hint;

/** The result of a probe, and the format of `probe --json`, which is a contract. */
export interface ProbeResult {
  readonly socket: string;
  readonly role: Role;
  /** The device type, inferred or given; null: unknown. */
  readonly device: string | null;
  /** Full names, lowest bit first. */
  readonly virtioFeatures: readonly string[];
  /** The features that a back-end offers, or that a front-end acknowledges. */
  readonly protocolFeatures: readonly string[];
  /** `0x…` */
  readonly virtioFeatureBits: string | null;
  readonly protocolFeatureBits: string | null;
  /** GET_QUEUE_NUM as answered. */
  readonly queues: number | null;
  readonly memorySlots: number | null;
  readonly config: Readonly<Record<string, unknown>> | null;
  /** Properties of a back-end's offer that are allowed and likely to surprise its users. */
  readonly hints: readonly ProbeHint[];
  readonly timingsUs: ProbeTimings;
}
