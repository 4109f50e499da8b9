import { performance } from "node:perf_hooks";
import { EventFd, OwnedFd, waitReadable } from "../os/index.ts";
import type { CollectedQueue } from "./driver-runner.ts";
import { type RingMode, SPIN_MS } from "./mode.ts";
import type { RingDriver } from "./ring-driver.ts";

/** Completions taken from a ring before the loop turns to the next ring. */
const BATCH = 64;
/** Number of looks at the rings between two looks at the control and the clock. */
const LOOKS = 32;

/** A ring and its driver. The descriptor is borrowed. */
export interface DrivenRing {
  readonly queue: CollectedQueue;
  readonly driver: RingDriver;
  readonly call: number;
}

/** The commands of the loop's owner. */
export interface DriverLoopControl {
  /** The command. 0: continue; 1: submit no more requests and finish; 2: leave now. */
  readonly asked: number;
  /** Readable once there is a command. */
  readonly wake: EventFd;
}

/**
 * Drives rings in a thread of its own, which it blocks: it polls them (`poll`), waits for their
 * call descriptors (`event`), or does first one and then the other (`hybrid`). It allocates nothing
 * per request.
 */
export class DriverLoop {
  readonly #rings: readonly BusyRing[];
  readonly #mode: RingMode;
  readonly #control: DriverLoopControl;
  /** The call descriptors, then the control. */
  readonly #fds: Int32Array;
  readonly #ready: Int32Array;
  #finishing = false;

  constructor(rings: readonly DrivenRing[], mode: RingMode, control: DriverLoopControl) {
    this.#rings = rings.map((ring) => new BusyRing(ring));
    this.#mode = mode;
    this.#control = control;
    this.#fds = Int32Array.from([...rings.map(({ call }) => call), control.wake.descriptor.fd]);
    this.#ready = new Int32Array(this.#fds.length);
  }

  /** Runs until all rings are finished, one of them breaks, or the owner ends the loop. */
  run(): void {
    this.#disableCalls();
    if (this.#control.asked === 0) for (const { driver } of this.#rings) driver.submit();
    // The time at which `hybrid` sleeps. The clock is read only after many looks.
    let end = Infinity;
    while (this.#obey() && this.#isBusy()) {
      const worked = this.#look();
      if (worked) end = Infinity;
      if (worked || this.#mode === "poll") continue;
      if (this.#mode === "hybrid") {
        const now = performance.now();
        if (end === Infinity) end = now + SPIN_MS;
        if (now < end) continue;
      }
      this.#sleep();
    }
  }

  /** Executes the owner's command. Returns false if the loop must end. */
  #obey(): boolean {
    const { asked } = this.#control;
    if (asked === 0) return true;
    if (!this.#finishing) for (const { driver } of this.#rings) driver.finish();
    this.#finishing = true;
    return asked === 1;
  }

  #isBusy(): boolean {
    let busy = false;
    for (let i = 0; i < this.#rings.length; i += 1) {
      const ring = this.#rings[i];
      if (ring === undefined) continue;
      if (ring.queue.broken !== undefined) return false;
      if (!ring.driver.finished) busy = true;
    }
    return busy;
  }

  /** Polls the rings for a moment, or once with `event`. Returns true if a ring had work. */
  #look(): boolean {
    const looks = this.#mode === "event" ? 1 : LOOKS;
    let worked = false;
    for (let look = 0; look < looks; look += 1) {
      for (let i = 0; i < this.#rings.length; i += 1) if (this.#rings[i]?.turn()) worked = true;
    }
    return worked;
  }

  #sleep(): void {
    let timeoutUs = -1;
    for (let i = 0; i < this.#rings.length; i += 1) {
      const ring = this.#rings[i];
      if (ring === undefined) continue;
      if (!ring.queue.enableNotifications()) return this.#disableCalls();
      const { dueUs } = ring.driver;
      if (dueUs >= 0 && (timeoutUs < 0 || dueUs < timeoutUs)) timeoutUs = dueUs;
    }
    waitReadable(this.#fds, this.#ready, timeoutUs);
    for (let i = 0; i < this.#rings.length; i += 1)
      if (this.#ready[i] === 1) this.#rings[i]?.drain();
    if (this.#ready[this.#rings.length] === 1) this.#control.wake.drain();
    this.#disableCalls();
  }

  /** Disables calls while the loop polls the rings anyway. */
  #disableCalls(): void {
    if (this.#mode === "event") return;
    for (const { queue } of this.#rings) queue.disableNotifications();
  }
}

/** One ring of the loop. */
class BusyRing {
  readonly queue: CollectedQueue;
  readonly driver: RingDriver;
  readonly #call: EventFd;
  readonly #done: (token: number, written: number) => void;

  constructor({ queue, driver, call }: DrivenRing) {
    this.queue = queue;
    this.driver = driver;
    // The owner of the ring closes it.
    this.#call = EventFd.adopt(new OwnedFd(call));
    this.#done = (token, written) => driver.done(token, written);
  }

  /** Takes completions and submits new requests. Returns false if there was nothing to do. */
  turn(): boolean {
    const { queue, driver } = this;
    const pending = queue.pendingCompletions();
    if (pending > 0) {
      driver.completing(pending);
      queue.poll(this.#done, BATCH);
    } else if (driver.dueUs !== 0) return false;
    driver.submit();
    return true;
  }

  drain(): void {
    this.#call.drain();
  }
}
