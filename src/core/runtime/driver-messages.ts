import type { ArenaHandle } from "../memory/index.ts";
import type { RingFeatures } from "../virtqueue/index.ts";
import type { RingMode } from "./mode.ts";

/** One ring of a driver's thread. Descriptors are borrowed. */
export interface DriverRingStart {
  readonly arena: ArenaHandle;
  /** Number of entries. */
  readonly size: number;
  readonly kick: number;
  readonly call: number;
  /** The argument for `createRingDriver` of the module. */
  readonly data: unknown;
}

export interface DriverStart {
  readonly rings: readonly DriverRingStart[];
  readonly ringFeatures: RingFeatures;
  readonly features: bigint;
  readonly mode: RingMode;
  /** URL of a `RingDriverModule`. */
  readonly module: string;
  /** One i32, the value of `DriverLoopControl.asked`; `wake` wakes the thread after a change. */
  readonly asked: SharedArrayBuffer;
  readonly wake: number;
}

/** The user addresses of a ring's parts, and its base. */
export interface DriverRingPlace {
  readonly base: number;
  readonly descriptor: bigint;
  readonly available: bigint;
  readonly used: bigint;
}

/** The state in which a thread left a ring. */
export interface RingLeft {
  readonly base: number;
  /** Number of chains that the device has not completed. */
  readonly published: number;
  /** The rule that the device broke, if it did: the ring is no longer driven. */
  readonly fault: string | undefined;
  readonly result: unknown;
}

export type FromDriver =
  | { readonly type: "ready"; readonly rings: readonly DriverRingPlace[] }
  | { readonly type: "left"; readonly rings: readonly RingLeft[] };
