import type { BufferSource } from "../memory/index.ts";
import type { BatchSubmitter, ChainSubmitter } from "../virtqueue/index.ts";

/**
 * Puts work into one ring and takes the results, in whatever thread: the counterpart of `RingServer`.
 * It publishes the chains that it added by itself, see {@link RingDriverHost.publish}.
 */
export interface RingDriver {
  /**
   * About `count` chains have completed and are handed over next: the moment to publish what was added
   * ahead, before the device has nothing to do.
   */
  completing(count: number): void;
  /**
   * One chain completed.
   *
   * @param written bytes
   */
  done(token: number, written: number): void;
  /** Adds and publishes what is due. Called at first, and after each batch of completions. */
  submit(): void;
  /**
   * When {@link submit} wants to be called though nothing completes: µs from now, 0 for at once,
   * negative for never.
   */
  readonly dueUs: number;
  /** Submits nothing any more; called once, when the loop was asked to end. */
  finish(): void;
  /** Nothing more is to be done: the ring may be left. */
  readonly finished: boolean;
  /** The result of the driver; it is cloned. Called once, after the ring was left. */
  result(): unknown;
}

/** What a ring driver has to work with. */
export interface RingDriverHost {
  readonly queue: ChainSubmitter & BatchSubmitter;
  readonly memory: BufferSource;
  /** The virtio features in use. */
  readonly features: bigint;
  /** Publishes what was added, all or the `most` oldest chains, and kicks the device if it wants that. */
  publish(this: void, most?: number): void;
}

/** What a module exports that makes ring drivers in workers. */
export interface RingDriverModule {
  createRingDriver(this: void, host: RingDriverHost, data: unknown): RingDriver;
}
