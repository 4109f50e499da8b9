import type { DeviceQueue } from "../virtqueue/index.ts";

/** Serves the chains of one ring, in whatever thread. */
export interface RingServer {
  /**
   * Chains between two looks for messages and between two publications, default 16: as long as they
   * take, a stop has to wait.
   */
  readonly budget?: number | undefined;
  /** Takes and completes at most `budget` chains; the caller shows them to the driver. */
  serve(queue: DeviceQueue, budget: number): void;
}

/** What a module exports that makes ring servers in workers. */
export interface RingServerModule {
  createRingServer(this: void, data: unknown): RingServer;
}

/** How a device has one of its rings served in a worker. */
export interface WorkerPart {
  /** URL of a {@link RingServerModule}. */
  readonly module: string;
  /** What `createRingServer` is given; it is cloned. Descriptors in it stay with this part. */
  readonly data: unknown;
  /** Nothing of the part is used any more. */
  release?(): void;
}
