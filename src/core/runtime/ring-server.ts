import type { RunningQueue } from "./running-queue.ts";

/** Serves the chains of one ring, on the event loop or in a worker. */
export interface RingServer {
  /**
   * Number of chains between two checks for messages and between two publications. Default 16. A
   * request to stop the ring waits until they are served.
   */
  readonly budget?: number | undefined;
  /** Takes and completes at most `budget` chains; the caller publishes the completions. */
  serve(running: RunningQueue, budget: number): void;
}

/** The exports of a module that makes ring servers in workers. */
export interface RingServerModule {
  createRingServer(this: void, data: unknown): RingServer;
}

/** The part of a device that serves one of its rings in a worker. */
export interface WorkerPart {
  /** URL of a {@link RingServerModule}. */
  readonly module: string;
  /** Passed to `createRingServer` as a structured clone. Its descriptors still belong to this part. */
  readonly data: unknown;
  /** Called once the worker no longer uses the part. */
  release?(): void;
}
