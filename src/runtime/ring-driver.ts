import type { BufferSource } from "../memory/index.ts";
import type { DriverQueue } from "../virtqueue/index.ts";

/** Puts work into one ring and takes the results, in whatever thread: the counterpart of `RingServer`. */
export interface RingDriver {
  /** Lays out what is due; the caller publishes it. Called at first, and after each batch of completions. */
  submit(): void;
  /** Called after each batch was published and kicked: what can wait until the device has its work. */
  account(): void;
  /** One chain came back; `written` in bytes. */
  done(token: number, written: number): void;
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
  readonly queue: DriverQueue;
  readonly memory: BufferSource;
  /** The virtio features in use. */
  readonly features: bigint;
}

/** What a module exports that makes ring drivers in workers. */
export interface RingDriverModule {
  createRingDriver(this: void, host: RingDriverHost, data: unknown): RingDriver;
}
