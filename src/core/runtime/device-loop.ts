import { performance } from "node:perf_hooks";
import { EventFd, OwnedFd, waitReadable } from "../os/index.ts";
import type { ScheduledQueue, ServedQueue } from "../virtqueue/index.ts";
import { MAX_IDLE_KICKS, type RingMode, SPIN_MS } from "./mode.ts";
import type { BackgroundRequests, RingServer } from "./ring-server.ts";
import type { RunningQueue } from "./running-queue.ts";
import type { RingEvents } from "./worker-messages.ts";

/** Chains served between two looks for messages, unless the server sets another number. */
const BUDGET = 16;
/** Number of looks at the ring between two looks at the clock. */
const LOOKS = 32;

/** Milliseconds after which a ring that waits for its requests in flight is reported. */
const PATIENCE_MS = 1000;
const NO_FDS = new Int32Array(0);

/** The commands of a ring's owner to the thread that serves it. */
export interface LoopControl {
  /** True if a command is waiting. It is read at every look, so it must cost one comparison. */
  readonly pending: boolean;
  /** Executes the waiting commands. Returns false if the thread must leave the ring. */
  obey(loop: DeviceLoop): boolean;
  /** Readable when a command is waiting. */
  readonly wake: EventFd;
}

export interface DeviceLoopOptions {
  readonly index: number;
  readonly queue: ScheduledQueue & ServedQueue;
  readonly server: RingServer;
  readonly mode: RingMode;
  readonly events: RingEvents;
  readonly control: LoopControl;
  /** Called when the driver kicked and has made no chain available. */
  readonly onIdleKick: () => void;
  /** Called once when the ring has waited for a second for a request in flight, described here. */
  readonly onSlowStop?: ((request: string) => void) | undefined;
}

/**
 * Serves the device half of one ring in a thread of its own, which it blocks; `DeviceRunner` does
 * the same on the event loop. Every descriptor is borrowed.
 */
export class DeviceLoop {
  readonly #queue: ScheduledQueue;
  readonly #running: RunningQueue & { active: boolean; closed: boolean };
  readonly #server: RingServer;
  readonly #background: BackgroundRequests | undefined;
  readonly #budget: number;
  readonly #mode: RingMode;
  readonly #control: LoopControl;
  #kick: EventFd | undefined;
  #call: EventFd | undefined;
  /** Number of idle kicks that will still be reported. */
  #idleKicks = MAX_IDLE_KICKS;
  readonly #onIdleKick: () => void;
  readonly #onSlowStop: ((request: string) => void) | undefined;
  /** Kick and control. */
  readonly #fds = Int32Array.of(-1, -1);
  readonly #ready = new Int32Array(2);

  constructor(options: DeviceLoopOptions) {
    const { index, queue, server, mode, events, control } = options;
    this.#onIdleKick = options.onIdleKick;
    this.#onSlowStop = options.onSlowStop;
    this.#queue = queue;
    this.#running = {
      index,
      queue,
      active: true,
      closed: false,
      publish: () => this.#publish(),
      // The loop looks at the ring after each call anyway, and no other code runs on this thread.
      wake: () => undefined,
    };
    this.#server = server;
    this.#background = server.background;
    this.#budget = server.budget ?? BUDGET;
    this.#mode = mode;
    this.#control = control;
    this.#fds[1] = control.wake.descriptor.fd;
    this.#take(events);
  }

  /** Exchanges kick and call while the ring runs. */
  replaceEvents(events: RingEvents): void {
    this.#take(events);
    // A kick on the previous descriptors is not lost: this thread looks at the ring anyway before
    // it sleeps.
    this.#signal();
  }

  /** The session has ended: requests in flight are waited for, and not completed. */
  abandon(): void {
    this.#running.closed = true;
  }

  /**
   * Serves the ring until it breaks or the owner ends it, and nothing accesses its memory any more.
   */
  run(): void {
    const queue = this.#queue;
    const control = this.#control;
    this.#prepare();
    for (;;) {
      if (control.pending && !control.obey(this)) break;
      this.#server.serve(this.#running, this.#budget);
      this.#publish();
      if (queue.broken !== undefined) break;
      if (queue.hasNext()) continue;
      // Requests in flight: what completes them is looked at, without a sleep where the ring is polled.
      if (this.#kick === undefined || this.#mode === "poll") {
        if (this.#inFlight === 0) this.#spin();
        else this.#background?.wait(NO_FDS, NO_FDS, 0);
      } else if (this.#inFlight > 0) this.#sleep();
      else if (this.#mode === "event" || !this.#spin()) this.#sleep();
    }
    this.#drain();
    this.#running.active = false;
  }

  get #inFlight(): number {
    return this.#background?.inFlight ?? 0;
  }

  /** Waits for the requests in flight: the kernel writes to the memory of the driver until then. */
  #drain(): void {
    const background = this.#background;
    if (background === undefined) return;
    const start = performance.now();
    let isReported = false;
    while (background.inFlight > 0) {
      const left = isReported ? -1 : PATIENCE_MS - (performance.now() - start);
      if (!isReported && left <= 0) {
        isReported = true;
        this.#onSlowStop?.(background.describe());
        continue;
      }
      background.wait(NO_FDS, NO_FDS, isReported ? -1 : Math.ceil(left * 1000));
    }
    // A wait that the owner ended may have completed chains too.
    if (!this.#running.closed) this.#publish();
  }

  #publish(): void {
    if (this.#running.active && this.#queue.publish()) this.#signal();
  }

  /**
   * Looks at the ring for a moment. Returns true if there is something to do. It reads the clock
   * only after many looks, as that costs more than a look.
   */
  #spin(): boolean {
    const queue = this.#queue;
    const control = this.#control;
    let end = Infinity;
    for (;;) {
      for (let look = 0; look < LOOKS; look += 1) if (queue.hasNext()) return true;
      if (control.pending) return true;
      const now = performance.now();
      if (now >= end) return false;
      if (end === Infinity) end = now + SPIN_MS;
    }
  }

  #sleep(): void {
    if (!this.#queue.enableNotifications()) return;
    if (this.#inFlight > 0) this.#background?.wait(this.#fds, this.#ready, -1);
    else waitReadable(this.#fds, this.#ready, -1);
    if (this.#ready[1] === 1) this.#control.wake.drain();
    if (this.#ready[0] === 1) {
      this.#drainKick();
      if (this.#idleKicks > 0) this.#lookIdle();
    }
    this.#prepare();
  }

  #drainKick(): void {
    try {
      this.#kick?.drain();
    } catch (error) {
      // The descriptor is not an event descriptor, or a pipe whose other end is closed: it would
      // stay readable and wake this loop for ever.
      this.#queue.fail(`the kick descriptor cannot be read: ${String(error)}`, "2.7.10");
    }
  }

  #lookIdle(): void {
    this.#idleKicks = this.#queue.hasNext() ? 0 : this.#idleKicks - 1;
    if (this.#idleKicks > 0) this.#onIdleKick();
  }

  /** Disables kicks while the loop looks at the ring anyway, and enables them before it sleeps. */
  #prepare(): void {
    if (this.#kick === undefined || this.#mode !== "event") this.#queue.disableNotifications();
  }

  #signal(): void {
    try {
      this.#call?.signal();
    } catch {
      // The driver's descriptor cannot be signalled, so the driver gets no calls.
      this.#call = undefined;
    }
  }

  #take({ kick, call }: RingEvents): void {
    this.#kick = borrow(kick);
    this.#call = borrow(call);
    this.#fds[0] = kick ?? -1;
    this.#background?.forgetWatched();
    this.#prepare();
  }
}

/** Wraps a descriptor without owning it. */
function borrow(fd: number | undefined): EventFd | undefined {
  return fd === undefined ? undefined : EventFd.adopt(new OwnedFd(fd));
}
