import { type EventFd, Poller } from "../os/index.ts";
import type { ScheduledQueue } from "../virtqueue/index.ts";
import { MAX_IDLE_KICKS, type RingMode, SPIN_MS } from "./mode.ts";

/** Rounds of one wake-up before other work of the event loop runs. */
const MAX_ROUNDS = 8;

export interface DeviceRunnerOptions {
  readonly queue: ScheduledQueue;
  /** The ring mode. Default `event`. Without a kick descriptor the ring is polled in any case. */
  readonly mode?: RingMode | undefined;
  /** Milliseconds that `hybrid` polls before it sleeps. Default 0.05. */
  readonly spinMs?: number | undefined;
  /** Takes what is available, at most about a queue's worth; completions may come later. */
  readonly process: () => void;
  /**
   * Called after `process`. If it returns false, available chains stay in the ring until {@link
   * DeviceRunner.wake}.
   */
  readonly wantsChains?: (() => boolean) | undefined;
  /** The kick descriptor; undefined if the ring is polled. Not owned. */
  readonly kick: EventFd | undefined;
  /** The call descriptor; undefined if the driver polls. Not owned. */
  readonly call: EventFd | undefined;
  /**
   * The driver kicked and has made nothing available so far: it may write to memory that is not
   * shared. Called for the first few such kicks.
   */
  readonly onIdleKick?: (() => void) | undefined;
  /** Called when the queue broke. It is no longer served. */
  readonly onBroken: () => void;
}

/** Serves the device half of one ring on the event loop. Nothing in here awaits. */
export class DeviceRunner {
  readonly #queue: ScheduledQueue;
  readonly #process: () => void;
  readonly #wantsChains: () => boolean;
  readonly #onBroken: () => void;
  readonly #mode: RingMode;
  readonly #spinMs: number;
  readonly #poller: Poller | undefined;
  /** The time at which `hybrid` stops polling. */
  #spinEnd = 0;
  #call: EventFd | undefined;
  #again: NodeJS.Immediate | undefined;
  #stopped = false;
  /** Idle kicks that are still to be reported. */
  #idleKicks = MAX_IDLE_KICKS;

  /** Starts at once: whatever the driver made available before is served without a kick. */
  constructor(options: DeviceRunnerOptions) {
    const { queue, mode = "event", process, wantsChains = () => true } = options;
    const { kick, call, onBroken } = options;
    this.#queue = queue;
    this.#process = process;
    this.#wantsChains = wantsChains;
    this.#onBroken = onBroken;
    this.#call = call;
    this.#spinMs = options.spinMs ?? SPIN_MS;
    this.#mode = kick === undefined ? "poll" : mode;
    if (this.#mode !== "event") queue.disableNotifications();
    if (kick !== undefined && mode !== "poll") {
      this.#poller = new Poller(kick.descriptor.fd, { readable: true }, () => {
        try {
          kick.drain();
        } catch (error) {
          // The descriptor is not an event descriptor, or a pipe whose other end is closed: it
          // would stay readable and wake this loop for ever.
          queue.fail(`the kick descriptor cannot be read: ${String(error)}`, "2.7.10");
        }
        if (this.#idleKicks > 0) {
          this.#idleKicks = queue.hasNext() ? 0 : this.#idleKicks - 1;
          if (this.#idleKicks > 0) options.onIdleKick?.();
        }
        if (this.#mode === "hybrid") queue.disableNotifications();
        this.#run();
      });
    }
    this.#later();
  }

  /** Replaces the call descriptor while the ring runs. */
  set call(call: EventFd | undefined) {
    this.#call = call;
  }

  /** Looks at the ring again, as if kicked. */
  wake(): void {
    if (!this.#stopped) this.#later();
  }

  /** Makes completions visible, also those that were made outside of `process`. */
  publish(): void {
    if (this.#stopped) return;
    if (this.#queue.publish()) this.#signal();
    if (this.#queue.broken === undefined) return;
    this.stop();
    this.#onBroken();
  }

  /** Stops at once and does not touch the ring afterwards. */
  stop(): void {
    this.#stopped = true;
    clearImmediate(this.#again);
    this.#poller?.close();
  }

  #run(): void {
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      if (this.#mode === "hybrid" && this.#queue.hasNext()) this.#spinEnd = 0;
      this.#process();
      this.publish();
      if (this.#stopped) return;
      // A chain that waits for a translation waits for wake() with it.
      if (this.#queue.parked || !this.#wantsChains()) {
        this.#queue.disableNotifications();
        return;
      }
      if (this.#mode === "poll" || this.#looksAgain()) break;
      if (this.#queue.enableNotifications()) return;
      if (this.#mode === "hybrid") this.#queue.disableNotifications();
    }
    this.#later();
  }

  /** Returns whether `hybrid` keeps polling, so that chains which arrive soon need no kick. */
  #looksAgain(): boolean {
    if (this.#mode !== "hybrid") return false;
    const now = performance.now();
    if (this.#spinEnd === 0) this.#spinEnd = now + this.#spinMs;
    if (now < this.#spinEnd) return true;
    this.#spinEnd = 0;
    return false;
  }

  #signal(): void {
    try {
      this.#call?.signal();
    } catch {
      // The driver's descriptor cannot be signalled, so the driver gets no calls.
      this.#call = undefined;
    }
  }

  #later(): void {
    if (this.#again !== undefined) return;
    this.#again = setImmediate(() => {
      this.#again = undefined;
      if (!this.#stopped) this.#run();
    });
  }
}
