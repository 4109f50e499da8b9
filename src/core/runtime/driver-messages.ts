import type { ArenaHandle } from "../memory/index.ts";
import type { RingFeatures } from "../virtqueue/index.ts";
import type { RingMode } from "./mode.ts";

/** One ring of a driver's thread. Descriptors are borrowed. */
export interface DriverRingStart {
  readonly arena: ArenaHandle;
  /** Entries. */
  readonly size: number;
  readonly kick: number;
  readonly call: number;
  /** What the module's `createRingDriver` is given. */
  readonly data: unknown;
}

export interface DriverStart {
  readonly rings: readonly DriverRingStart[];
  readonly ringFeatures: RingFeatures;
  readonly features: bigint;
  readonly mode: RingMode;
  /** URL of a `RingDriverModule`. */
  readonly module: string;
  /** One i32, see `DriverLoopControl.asked`; what wakes the thread when it was set. */
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

/** How a ring was left. */
export interface RingLeft {
  readonly base: number;
  /** Chains that the device has not completed. */
  readonly published: number;
  /** Why it is not driven any more, if the device broke its rules. */
  readonly fault: string | undefined;
  readonly result: unknown;
}

export type FromDriver =
  | { readonly type: "ready"; readonly rings: readonly DriverRingPlace[] }
  | { readonly type: "left"; readonly rings: readonly RingLeft[] };
