import { performance } from "node:perf_hooks";
import { EventFd, OwnedFd, waitReadable } from "../os/index.ts";
import type { DriverQueue } from "../virtqueue/index.ts";
import { type RingMode, SPIN_MS } from "./mode.ts";
import type { RingDriver } from "./ring-driver.ts";

/** Completions taken from a ring before the next one has its turn. */
const BATCH = 64;
/** Looks at the rings between two looks at the clock. */
const LOOKS = 32;

/** A ring and who drives it. Descriptors are borrowed. */
export interface DrivenRing {
  readonly queue: DriverQueue;
  readonly driver: RingDriver;
  readonly kick: number;
  readonly call: number;
}

/** What the owner of the loop asks of it. */
export interface DriverLoopControl {
  /** 0: go on; 1: come to an end; 2: leave now. */
  readonly asked: number;
  /** Readable once something was asked. */
  readonly wake: EventFd;
}

/**
 * Drives rings in a thread of its own, which it blocks: in looking (`poll`), in a wait for the call
 * descriptors (`event`), or in the one and then the other (`hybrid`). Nothing is allocated a request.
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

  /** Returns when all rings are done, one of them broke, or it was asked to leave. */
  run(): void {
    this.#disarm();
    for (const ring of this.#rings) ring.submit();
    while (this.#obey() && this.#isBusy()) {
      if (this.#turn()) continue;
      if (this.#mode === "poll") this.#look();
      else if (this.#mode === "event" || !this.#look()) this.#sleep();
    }
  }

  /** False: leave. */
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

  /** Takes completions and puts new work in; false: there was nothing to do. */
  #turn(): boolean {
    let worked = false;
    for (let i = 0; i < this.#rings.length; i += 1) if (this.#rings[i]?.turn()) worked = true;
    return worked;
  }

  /** Looks for a moment; true: something was done. The clock is for those who wait long. */
  #look(): boolean {
    let end = Infinity;
    for (;;) {
      for (let look = 0; look < LOOKS; look += 1) if (this.#turn()) return true;
      if (this.#control.asked !== 0 && !this.#finishing) return true;
      const now = performance.now();
      if (now >= end) return false;
      if (end === Infinity) end = now + SPIN_MS;
    }
  }

  #sleep(): void {
    let timeoutUs = -1;
    for (let i = 0; i < this.#rings.length; i += 1) {
      const ring = this.#rings[i];
      if (ring === undefined) continue;
      if (!ring.queue.arm()) return this.#disarm();
      const { dueUs } = ring.driver;
      if (dueUs >= 0 && (timeoutUs < 0 || dueUs < timeoutUs)) timeoutUs = dueUs;
    }
    waitReadable(this.#fds, this.#ready, timeoutUs);
    for (let i = 0; i < this.#rings.length; i += 1)
      if (this.#ready[i] === 1) this.#rings[i]?.drain();
    if (this.#ready[this.#rings.length] === 1) this.#control.wake.drain();
    this.#disarm();
  }

  /** While rings are looked at anyway, calls are not wanted. */
  #disarm(): void {
    if (this.#mode === "event") return;
    for (const { queue } of this.#rings) queue.disarm();
  }
}

/** One ring of the loop. */
class BusyRing {
  readonly queue: DriverQueue;
  readonly driver: RingDriver;
  readonly #kick: EventFd;
  readonly #call: EventFd;
  readonly #done: (token: number, written: number) => void;

  constructor({ queue, driver, kick, call }: DrivenRing) {
    this.queue = queue;
    this.driver = driver;
    // Somebody else closes them.
    this.#kick = EventFd.adopt(new OwnedFd(kick));
    this.#call = EventFd.adopt(new OwnedFd(call));
    this.#done = (token, written) => driver.done(token, written);
  }

  submit(): void {
    this.driver.submit();
    if (this.queue.publish()) this.#kick.signalWatched();
    this.driver.account();
  }

  turn(): boolean {
    const worked = this.queue.poll(this.#done, BATCH) > 0;
    if (!worked && this.driver.dueUs !== 0) return false;
    this.submit();
    return true;
  }

  drain(): void {
    this.#call.drain();
  }
}
