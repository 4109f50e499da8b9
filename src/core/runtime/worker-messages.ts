import type { MessagePort } from "node:worker_threads";
import type { InflightHandle, LogHandle, MemoryHandle } from "../memory/index.ts";
import type { QueueFault, RingFeatures, RingLogSetting, RingMemory } from "../virtqueue/index.ts";
import type { RingMode } from "./mode.ts";

/** A ring as a worker needs it. Its descriptors are borrowed until the ring is stopped. */
export interface RingSetup {
  readonly index: number;
  readonly size: number;
  readonly features: RingFeatures;
  readonly base: number;
  /** User addresses of the parts. */
  readonly areas: Readonly<Record<keyof RingMemory, bigint>>;
  readonly memory: readonly MemoryHandle[];
  /** The region that requests in flight are recorded in. */
  readonly inflight?: InflightHandle | undefined;
  readonly mode: RingMode;
  /** The front-end's dirty log, where there is one. */
  readonly log?: LogHandle | undefined;
  readonly ringLog?: RingLogSetting | undefined;
  /** True if features that the driver did not acknowledge are refused. */
  readonly strict: boolean;
}

/** Descriptors for kick and call; undefined if that side polls. */
export interface RingEvents {
  readonly kick: number | undefined;
  readonly call: number | undefined;
}

/** The state of a ring when its worker left it. */
export interface RingEnd {
  /**
   * The base; undefined if it is unknown, because the ring was not served or the worker is gone.
   */
  readonly base: number | undefined;
  /** The reason why the ring is no longer served, if so. */
  readonly fault: string | undefined;
}

export type ToWorker =
  | ({
      readonly type: "start";
      readonly ring: RingSetup;
      readonly module: string;
      readonly data: unknown;
    } & RingEvents)
  /** The worker answers with `stopped`, even if the ring broke before. */
  | { readonly type: "stop" }
  /** The worker answers with `replaced` once it no longer uses the previous descriptors. */
  | ({ readonly type: "events" } & RingEvents)
  | { readonly type: "exit" };

export type FromWorker =
  | ({ readonly type: "stopped" } & RingEnd)
  | ({ readonly type: "broken" } & RingEnd)
  | { readonly type: "replaced" }
  /** The driver kicked and has made nothing available so far. */
  | { readonly type: "idle-kick" }
  /** The ring was stopped, and has waited for a second for this request, which is in flight. */
  | { readonly type: "slow-stop"; readonly request: string }
  /** The driver uses a feature that it did not acknowledge. */
  | { readonly type: "unacknowledged"; readonly feature: string }
  /** A request has a buffer outside of shared memory. */
  | { readonly type: "unreachable"; readonly fault: QueueFault };

export interface WorkerStart {
  readonly port: MessagePort;
  /** Wakes the worker when a message was sent; borrowed. */
  readonly wake: number;
  /**
   * One i32, the number of messages sent, for code that blocks the event loop and so receives none.
   */
  readonly sent: SharedArrayBuffer;
}
