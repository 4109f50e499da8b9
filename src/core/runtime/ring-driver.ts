import type { BufferSource } from "../memory/index.ts";
import type { BatchSubmitter, ChainSubmitter } from "../virtqueue/index.ts";

/**
 * Submits requests to one ring and takes their results, on the event loop or in a worker: the
 * counterpart of `RingServer`. It publishes the chains that it adds by {@link
 * RingDriverHost.publish}.
 */
export interface RingDriver {
  /**
   * Called before about `count` completions are passed on: the moment to publish chains that were
   * added ahead, before the device runs out of work.
   */
  completing(count: number): void;
  /**
   * Called for each completed chain.
   *
   * @param written bytes
   */
  done(token: number, written: number): void;
  /**
   * Adds and publishes the requests that are due. Called at first, and after each batch of
   * completions.
   */
  submit(): void;
  /**
   * The time until {@link submit} must be called even if nothing completes: µs from now, 0 for at
   * once, negative for never.
   */
  readonly dueUs: number;
  /** Stops submitting. Called once, when the loop was asked to end. */
  finish(): void;
  /** True if all work is done and the loop may leave the ring. */
  readonly finished: boolean;
  /**
   * Returns the result of the driver, which is cloned. Called once, after the loop has left the
   * ring.
   */
  result(): unknown;
}

/** The environment of a ring driver. */
export interface RingDriverHost {
  readonly queue: ChainSubmitter & BatchSubmitter;
  readonly memory: BufferSource;
  /** The virtio features in use. */
  readonly features: bigint;
  /**
   * Publishes the added chains, all or the `most` oldest, and kicks the device if it wants that.
   */
  publish(this: void, most?: number): void;
}

/** The exports of a module that makes ring drivers in workers. */
export interface RingDriverModule {
  createRingDriver(this: void, host: RingDriverHost, data: unknown): RingDriver;
}
