import type { MessagePort } from "node:worker_threads";
import type { InflightHandle, LogHandle, MemoryHandle } from "../memory/index.ts";
import type { QueueFault, RingFeatures, RingLogSetting, RingMemory } from "../virtqueue/index.ts";
import type { RingMode } from "./mode.ts";

/** A ring as another thread needs it. Its descriptors are borrowed until the ring is stopped. */
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

/** Descriptors for kick and call; undefined if the side polls. */
export interface RingEvents {
  readonly kick: number | undefined;
  readonly call: number | undefined;
}

/** How a ring stood when it was left. */
export interface RingEnd {
  /** Undefined if unknown, it was not served at all or the worker is gone. */
  readonly base: number | undefined;
  /** Why it is not served any more, if so. */
  readonly fault: string | undefined;
}

export type ToWorker =
  | ({
      readonly type: "start";
      readonly ring: RingSetup;
      readonly module: string;
      readonly data: unknown;
    } & RingEvents)
  /** Answered with `stopped`, also when the ring broke before. */
  | { readonly type: "stop" }
  /** Answered with `replaced`: the descriptors before are not used any more. */
  | ({ readonly type: "events" } & RingEvents)
  | { readonly type: "exit" };

export type FromWorker =
  | ({ readonly type: "stopped" } & RingEnd)
  | ({ readonly type: "broken" } & RingEnd)
  | { readonly type: "replaced" }
  /** The driver kicked and has made nothing available so far. */
  | { readonly type: "idle-kick" }
  /** The driver uses a feature that it did not acknowledge. */
  | { readonly type: "unacknowledged"; readonly feature: string }
  /** A request has a buffer outside of shared memory. */
  | { readonly type: "unreachable"; readonly fault: QueueFault };

export interface WorkerStart {
  readonly port: MessagePort;
  /** Wakes the worker when a message was sent; borrowed. */
  readonly wake: number;
  /** One i32: how many messages were sent. To be looked at where the event loop does not run. */
  readonly sent: SharedArrayBuffer;
}
