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
  /** For a server that completes requests after {@link serve}. */
  readonly background?: BackgroundRequests | undefined;
  /** Frees what the server owns, once nothing accesses the memory of the ring any more. */
  close?(): void;
}

/** Requests that were taken and complete later. */
export interface BackgroundRequests {
  readonly inFlight: number;
  /**
   * Blocks until a request completes, one of `fds` is readable, or the time is over. Completes the
   * chains; the caller publishes them.
   *
   * @param fds descriptors to watch; negative ones are holes
   * @param ready is set to 1 or 0 for each descriptor
   * @param timeoutUs microseconds; negative: no limit
   */
  wait(fds: Int32Array, ready: Int32Array, timeoutUs: number): void;
  /** The descriptors of {@link wait} are other ones from now on, whatever their numbers. */
  forgetWatched(): void;
  /** Describes a request in flight, for reports. */
  describe(): string;
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
