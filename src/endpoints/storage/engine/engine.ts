import type { BlockStorage } from "../image/storage.ts";
import type { IoRequest } from "./io-request.ts";

/** Ways to carry requests out. */
export const ENGINE_NAMES = ["uring", "threads", "sync"] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

export interface EngineOptions {
  /** Stays the caller's. */
  readonly storage: BlockStorage;
  /** Called with each request that {@link StorageEngine.start} did not complete itself. */
  readonly onDone: (request: IoRequest) => void;
  /**
   * For an event loop: called after requests completed outside of {@link StorageEngine.collect}.
   * Without it the engine belongs to a thread that calls {@link StorageEngine.wait}.
   */
  readonly onBatch?: (() => void) | undefined;
}

/**
 * Carries requests to an image out, many at a time. A request completes in any order, as a whole:
 * the engine continues what the kernel did in part. Nothing in here allocates for a request, but in
 * the engine `threads`.
 */
export interface StorageEngine {
  readonly name: EngineName;
  /** Requests that were started and have not completed. */
  readonly inFlight: number;
  /** Starts a request. Returns true if it completed at once; it has the outcome then. */
  start(request: IoRequest): boolean;
  /** Ends a turn: hands over to the kernel what was started. */
  submit(): void;
  /** Takes completions. */
  collect(): void;
  /**
   * Blocks until a request completes, one of `fds` is readable, or the time is over; takes
   * completions.
   *
   * @param fds descriptors to watch; negative ones are holes
   * @param ready is set to 1 or 0 for each descriptor
   * @param timeoutUs negative: no limit
   */
  wait(fds: Int32Array, ready: Int32Array, timeoutUs: number): void;
  /** The descriptors of {@link wait} are other ones from now on, whatever their numbers. */
  forgetWatched(): void;
  /** Frees what the engine owns. It must have no request in flight. */
  close(): void;
}
