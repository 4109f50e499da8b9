import type { BufferSource } from "../memory/index.ts";
import type { BatchSubmitter, ChainSubmitter } from "../virtqueue/index.ts";

/**
 * Puts work into one ring and takes the results, in whatever thread: the counterpart of `RingServer`.
 * What it laid out it shows to the device itself, see {@link RingDriverHost.show}.
 */
export interface RingDriver {
  /**
   * About `count` chains came back and are handed over next: the moment to show what was laid out
   * ahead, before the device has nothing to do.
   */
  completing(count: number): void;
  /** One chain came back; `written` in bytes. */
  done(token: number, written: number): void;
  /** Lays out and shows what is due. Called at first, and after each batch of completions. */
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
  /** What it came to; it is cloned. Called once, after the ring was left. */
  result(): unknown;
}

/** What a ring driver has to work with. */
export interface RingDriverHost {
  readonly queue: ChainSubmitter & BatchSubmitter;
  readonly memory: BufferSource;
  /** The virtio features in use. */
  readonly features: bigint;
  /** Shows the device what was added, all or the `most` oldest chains, and kicks it if it wants that. */
  publish(this: void, most?: number): void;
}

/** What a module exports that makes ring drivers in workers. */
export interface RingDriverModule {
  createRingDriver(this: void, host: RingDriverHost, data: unknown): RingDriver;
}
