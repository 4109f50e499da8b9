import { type EventFd, Poller } from "../os/index.ts";
import type { CompletionSource, NotificationControl, RingInspection } from "../virtqueue/index.ts";
import { type RingMode, SPIN_MS } from "./mode.ts";

/** Most completions taken at one look. */
const BATCH = 64;
/** Number of looks without success, and of all looks, before other work of the event loop runs. */
const IDLE_LOOKS = 256;
const MAX_LOOKS = 4096;
const MAX_ROUNDS = 16;

/** The part of a ring that collecting its completions needs. */
export type CollectedQueue = CompletionSource &
  NotificationControl &
  Pick<RingInspection, "broken">;

export interface DriverRunnerOptions {
  readonly queue: CollectedQueue;
  readonly ringMode: RingMode;
  /** Milliseconds that `hybrid` polls before it sleeps. Default 0.05. */
  readonly spinMs?: number | undefined;
  /** The descriptor of SET_VRING_CALL. Not owned. */
  readonly call: EventFd;
  readonly done: (token: number, written: number) => void;
  /** Called after a batch of completions: the place to submit more. */
  readonly batchDone?: () => void;
  /** Called when the queue broke. Its requests no longer complete. */
  readonly onBroken: () => void;
}

/** Collects the completions of one ring on the event loop. Nothing in here awaits. */
export class DriverRunner {
  readonly #queue: CollectedQueue;
  readonly #done: (token: number, written: number) => void;
  readonly #batchDone: () => void;
  readonly #onBroken: () => void;
  readonly #ringMode: RingMode;
  readonly #spinMs: number;
  readonly #poller: Poller | undefined;
  /** The time at which `hybrid` stops polling; 0 if it is not polling. */
  #spinEnd = 0;
  #turn: NodeJS.Immediate | undefined;
  #stopped = false;

  constructor(options: DriverRunnerOptions) {
    const { queue, ringMode, call, done, batchDone, onBroken } = options;
    this.#queue = queue;
    this.#done = done;
    this.#batchDone = batchDone ?? ((): void => undefined);
    this.#onBroken = onBroken;
    this.#ringMode = ringMode;
    this.#spinMs = options.spinMs ?? SPIN_MS;
    if (ringMode === "event") queue.enableNotifications();
    else queue.disableNotifications();
    if (ringMode === "poll") return;
    this.#poller = new Poller(call.descriptor.fd, { readable: true }, () => {
      call.drain();
      this.#collect();
    });
  }

  /**
   * To be called after chains were published: polling continues only while chains are outstanding.
   */
  published(): void {
    if (this.#ringMode !== "event" && !this.#stopped) this.#later();
  }

  stop(): void {
    this.#stopped = true;
    clearImmediate(this.#turn);
    this.#turn = undefined;
    this.#poller?.close();
  }

  #collectEvents(): void {
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      if (this.#queue.poll(this.#done, BATCH) > 0) this.#batchDone();
      if (this.#checkBroken() || this.#queue.enableNotifications()) return;
    }
    this.#later();
  }

  #collect(): void {
    if (this.#ringMode === "event") this.#collectEvents();
    else this.#look();
  }

  #look(): void {
    let idle = 0;
    if (this.#poller !== undefined) this.#queue.disableNotifications();
    for (let look = 0; look < MAX_LOOKS && idle < IDLE_LOOKS; look += 1) {
      idle += 1;
      if (this.#queue.poll(this.#done, BATCH) > 0) {
        idle = 0;
        this.#batchDone();
        if (this.#stopped || this.#queue.outstanding === 0) break;
      }
      if (this.#checkBroken()) return;
    }
    if (this.#stopped) return;
    if (this.#queue.outstanding === 0) this.#spinEnd = 0;
    else if (this.#ringMode === "poll" || this.#looksAgain(idle)) this.#later();
    else this.#sleep();
  }

  /** Returns whether `hybrid` keeps polling. */
  #looksAgain(idle: number): boolean {
    const now = performance.now();
    if (this.#spinEnd === 0 || idle < IDLE_LOOKS) this.#spinEnd = now + this.#spinMs;
    return now < this.#spinEnd;
  }

  /** Sleeps until the next call, or until more chains are published. */
  #sleep(): void {
    this.#spinEnd = 0;
    if (!this.#queue.enableNotifications()) this.#later();
  }

  #checkBroken(): boolean {
    if (this.#stopped) return true;
    if (this.#queue.broken === undefined) return false;
    this.stop();
    this.#onBroken();
    return true;
  }

  #later(): void {
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined;
      if (!this.#stopped) this.#collect();
    });
  }
}
