import type { InflightRegion, Iotlb, RegionTable } from "../../core/memory/index.ts";
import type { RingMode } from "../../core/runtime/index.ts";
import type { DeviceQueue, DriverReports } from "../../core/virtqueue/index.ts";
import type { DeviceCapabilities } from "./capabilities.ts";
import type { Device } from "./device.ts";
import type { VringSetup } from "./vring-setup.ts";
import type { RingMessages } from "./vring-notifiers.ts";

/** The threads and the mode in which the rings of a session are served. */
export interface RingOptions {
  /** Each in a worker of its own, for a device that can. Default: on the event loop. */
  readonly workers?: boolean | undefined;
  /** Default `event`. */
  readonly ringMode?: RingMode | undefined;
}

/** The treatment of requests in flight when a ring stops. */
export type StopMode = "drain" | "leave in flight";

/** The session as its rings use it. */
export interface VringContext {
  readonly device: Device;
  readonly capabilities: DeviceCapabilities;
  readonly memory: RegionTable;
  /** Addresses of rings and buffers are looked up there; undefined if there is no IOMMU. */
  readonly iotlb: () => Iotlb | undefined;
  readonly features: () => bigint;
  readonly inflight: () => InflightRegion | undefined;
  readonly wrapQueue: (queue: DeviceQueue) => DeviceQueue;
  readonly rings: RingOptions;
  /** True if what the driver did not acknowledge is refused. */
  readonly strict: boolean;
  /** Returns the in-band notifications; undefined if they were not negotiated. */
  readonly messages: () => RingMessages | undefined;
  readonly onStarted: () => void;
  /** The driver kicked the ring, and has made nothing available so far. */
  readonly onIdleKick: (ring: VringSetup) => void;
  readonly onBroken: (index: number, reason: string | undefined) => void;
  readonly onProblem: (problem: Error) => void;
  readonly reports: DriverReports;
}
