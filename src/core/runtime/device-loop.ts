import { performance } from "node:perf_hooks";
import { EventFd, OwnedFd, waitReadable } from "../os/index.ts";
import type { ScheduledQueue, ServedQueue } from "../virtqueue/index.ts";
import { MAX_IDLE_KICKS, type RingMode, SPIN_MS } from "./mode.ts";
import type { RingServer } from "./ring-server.ts";
import type { RunningQueue } from "./running-queue.ts";
import type { RingEvents } from "./worker-messages.ts";

/** Chains between two looks for messages, unless the server says otherwise. */
const BUDGET = 16;
/** Looks at the ring between two looks at the clock. */
const LOOKS = 32;

/** What the owner of a ring asks of the thread that serves it. */
export interface LoopControl {
  /** One comparison: it is asked at every look. */
  readonly pending: boolean;
  /** Takes what is pending. Returns false if the ring is to be left. */
  obey(loop: DeviceLoop): boolean;
  /** Readable when something is pending. */
  readonly wake: EventFd;
}

export interface DeviceLoopOptions {
  readonly index: number;
  readonly queue: ScheduledQueue & ServedQueue;
  readonly server: RingServer;
  readonly mode: RingMode;
  readonly events: RingEvents;
  readonly control: LoopControl;
  /** As that of `DeviceRunner`. */
  readonly onIdleKick: () => void;
}

/**
 * Serves the device half of one ring in a thread of its own, which it blocks: the counterpart of
 * `DeviceRunner`. Every descriptor is borrowed.
 */
export class DeviceLoop {
  readonly #queue: ScheduledQueue;
  readonly #running: RunningQueue & { active: boolean };
  readonly #server: RingServer;
  readonly #budget: number;
  readonly #mode: RingMode;
  readonly #control: LoopControl;
  #kick: EventFd | undefined;
  #call: EventFd | undefined;
  /** Idle kicks that are still to be reported. */
  #idleKicks = MAX_IDLE_KICKS;
  readonly #onIdleKick: () => void;
  /** Kick and control. */
  readonly #fds = Int32Array.of(-1, -1);
  readonly #ready = new Int32Array(2);

  constructor({ index, queue, server, mode, events, control, onIdleKick }: DeviceLoopOptions) {
    this.#onIdleKick = onIdleKick;
    this.#queue = queue;
    this.#running = {
      index,
      queue,
      active: true,
      publish: () => this.#publish(),
      // The loop looks at the ring after each call anyway, and no other code runs on this thread.
      wake: () => undefined,
    };
    this.#server = server;
    this.#budget = server.budget ?? BUDGET;
    this.#mode = mode;
    this.#control = control;
    this.#fds[1] = control.wake.descriptor.fd;
    this.#take(events);
  }

  /** Exchanges kick and call while the ring runs. */
  replaceEvents(events: RingEvents): void {
    this.#take(events);
    // What was announced on the descriptors before is not lost with them; the ring is looked at
    // anyway, before this thread sleeps.
    this.#signal();
  }

  /** Returns when the ring broke or is to be left. */
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
      if (this.#kick === undefined || this.#mode === "poll") this.#spin();
      else if (this.#mode === "event" || !this.#spin()) this.#sleep();
    }
    this.#running.active = false;
  }

  #publish(): void {
    if (this.#running.active && this.#queue.publish()) this.#signal();
  }

  /** Looks for a moment; true if there is something to do. The clock is for those who wait long. */
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
    waitReadable(this.#fds, this.#ready, -1);
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
      // Not an event descriptor, or a pipe whose other end is gone: it would wake us for ever.
      this.#queue.fail(`the kick descriptor cannot be read: ${String(error)}`, "2.7.10");
    }
  }

  #lookIdle(): void {
    this.#idleKicks = this.#queue.hasNext() ? 0 : this.#idleKicks - 1;
    if (this.#idleKicks > 0) this.#onIdleKick();
  }

  /** While the ring is looked at anyway, kicks are not wanted. */
  #prepare(): void {
    if (this.#kick === undefined || this.#mode !== "event") this.#queue.disableNotifications();
  }

  #signal(): void {
    try {
      this.#call?.signal();
    } catch {
      // The driver gave a descriptor that cannot be signalled: it does not get calls then.
      this.#call = undefined;
    }
  }

  #take({ kick, call }: RingEvents): void {
    this.#kick = borrow(kick);
    this.#call = borrow(call);
    this.#fds[0] = kick ?? -1;
    this.#prepare();
  }
}

/** Wraps a descriptor without owning it. */
function borrow(fd: number | undefined): EventFd | undefined {
  return fd === undefined ? undefined : EventFd.adopt(new OwnedFd(fd));
}
