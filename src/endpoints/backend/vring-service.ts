import { asError, StateError } from "../../core/base/index.ts";
import type { VringContext, StopMode } from "./vring-context.ts";
import { DeviceRunner, type RunningQueue } from "../../core/runtime/index.ts";
import type { EventFd } from "../../core/os/index.ts";
import { createDeviceQueue, type DeviceQueue, RingLog } from "../../core/virtqueue/index.ts";
import { discardChains } from "./discard.ts";
import type { VringNotifiers } from "./vring-notifiers.ts";
import type { VringSetup } from "./vring-setup.ts";
import { VringWorker } from "./vring-worker.ts";

/** Milliseconds after which a ring that waits for its requests in flight is reported. */
const PATIENCE_MS = 1000;

/** Serves one ring, by a runner on the event loop or by a worker, and owns its queue. */
export class VringService {
  readonly log: RingLog;
  readonly #index: number;
  readonly #context: VringContext;
  readonly #setup: VringSetup;
  readonly #notifiers: VringNotifiers;
  /** True if chains go to the device; while they do not, they are discarded. */
  readonly #isEnabled: () => boolean;
  readonly #worker: VringWorker | undefined;
  #queue: DeviceQueue | undefined;
  #runner: DeviceRunner | undefined;
  #closed = false;
  /** The reason why a worker no longer serves the ring. */
  #fault: string | undefined;
  /** The reason why the current memory does not cover the ring. */
  #missing: string | undefined;
  /** True if the memory in which the queue's addresses were looked up may have been removed. */
  #stale = false;

  constructor(
    index: number,
    context: VringContext,
    setup: VringSetup,
    notifiers: VringNotifiers,
    isEnabled: () => boolean,
  ) {
    this.#index = index;
    this.#context = context;
    this.#setup = setup;
    this.#notifiers = notifiers;
    this.#isEnabled = isEnabled;
    this.log = new RingLog(context.memory.log);
    const { capabilities, memory, rings, strict, reports } = context;
    const { worker } = capabilities;
    if (!rings.workers || worker === undefined) return;
    this.#worker = new VringWorker({
      index,
      setup,
      placement: worker,
      memory,
      mode: rings.ringMode ?? "event",
      onIdleKick: () => context.onIdleKick(setup),
      onSlowStop: (request) => this.#reportSlow(request),
      strict,
      reports,
      onBroken: ({ base, fault }) => {
        setup.base = base ?? setup.base;
        this.#fault ??= fault;
        if (!this.#closed) this.#reportBroken();
      },
    });
  }

  /** The reason why the ring is no longer served, if so. */
  get brokenReason(): string | undefined {
    const fault = this.#queue?.broken;
    return this.#fault ?? this.#missing ?? (fault && `${fault.reason} (VIRTIO ${fault.section})`);
  }

  /** Returns whether the ring runs on the event loop. */
  get onEventLoop(): boolean {
    return this.#runner !== undefined;
  }

  /** Returns whether the ring runs in a worker. */
  get inWorker(): boolean {
    return this.#worker?.running === true;
  }

  /** Returns whether a worker serves the ring where the device can. */
  get hasWorker(): boolean {
    return this.#worker !== undefined;
  }

  /**
   * Serves the ring from now on, unless it is served already, broken or closed. It waits
   * where a translation of its areas is missing.
   *
   * @throws {StateError | ProtocolError} the ring is not set up, or is not in memory
   */
  run(): void {
    if (this.#closed || this.onEventLoop || this.inWorker || this.brokenReason !== undefined)
      return;
    // A worker could not ask for translations: with an IOMMU the ring stays here.
    if (this.#worker && this.#context.iotlb() === undefined) {
      const { kick, call } = this.#notifiers;
      if (this.#worker.start({ kick, call })) {
        this.#repeatCall();
        return;
      }
    }
    const queue = this.#currentQueue();
    if (queue === undefined) return;
    this.#runner = this.#runOnLoop(queue);
    this.#repeatCall();
  }

  /** Serves the ring; one that is not in memory is broken. */
  runOrBreak(): void {
    try {
      this.run();
    } catch (error) {
      this.#missing = asError(error).message;
      this.#reportBroken();
    }
  }

  /** Stops serving on the event loop, at once. */
  halt(): void {
    this.#runner?.stop();
    this.#runner = undefined;
  }

  /** Stops serving in a worker. Resolves once its thread uses nothing that it borrowed. */
  async haltWorker(): Promise<void> {
    if (!this.inWorker || this.#worker === undefined) return;
    const { base, fault } = await this.#worker.stop();
    this.#setup.base = base ?? this.#setup.base;
    this.#fault ??= fault;
  }

  /**
   * Stops serving the ring. Resolves once the device processes none of its requests and nothing
   * touches its memory.
   */
  async quiesce(mode: StopMode): Promise<void> {
    this.halt();
    await this.haltWorker();
    const { draining, suspension } = this.#context.capabilities;
    // Without an in-flight region the requests would be lost.
    const isTracked = this.#setup.inflight !== undefined && suspension !== undefined;
    if (mode === "leave in flight" && isTracked)
      await this.#reportIfSlow(suspension.suspend(this.#index));
    else await this.#reportIfSlow(draining?.quiesce(this.#index));
    // Requests may have completed meanwhile, and no runner is there to publish them.
    if (!this.#closed && this.#queue?.publish()) this.#notifiers.signalCall();
  }

  /** Forgets the queue and why it was broken: the next start makes another. */
  forget(): void {
    if (this.#queue) this.#setup.base = this.#queue.state().base;
    this.#queue = undefined;
    this.#fault = undefined;
    this.#missing = undefined;
  }

  /** The memory table changed: the areas are looked up again. */
  memoryChanged(): void {
    this.#stale = true;
    this.#missing = undefined;
  }

  /** Retries a ring whose areas were in no region, after one was added. */
  memoryAdded(): void {
    this.#missing = undefined;
  }

  /** Wakes a ring whose next chain waits for a translation. */
  wakeParked(): void {
    if (this.#queue?.parked) this.#runner?.wake();
  }

  /** Replaces kick and call of a worker, and closes `retired` once that is safe. */
  replaceInWorker(kick: EventFd | undefined, call: EventFd | undefined, retired?: EventFd): void {
    this.#worker?.replace({ kick, call }, retired);
  }

  /** Replaces the descriptor for calls of a ring on the event loop. */
  set call(call: EventFd | undefined) {
    if (this.#runner) this.#runner.call = call;
  }

  /**
   * Returns whether memory of these I/O virtual addresses may be in use: by the ring, or by
   * buffers.
   */
  usesTranslations(start: bigint, end: bigint): boolean {
    if (this.#queue === undefined) return false;
    return this.#queue.inFlight > 0 || this.#setup.overlaps(start, end);
  }

  /**
   * The session has ended: the ring does not run again. Completions are not published any more, as the
   * front-end may have handed the ring over already.
   */
  async close(): Promise<void> {
    this.halt();
    this.#closed = true;
    this.#queue = undefined;
    await this.#worker?.close();
  }

  #runOnLoop(queue: DeviceQueue): DeviceRunner {
    const { device, capabilities, rings, onIdleKick } = this.#context;
    const index = this.#index;
    const isActive = (): boolean => this.#runner === runner;
    const isClosed = (): boolean => this.#closed;
    const running: RunningQueue = {
      index,
      queue,
      publish: () => this.#runner?.publish(),
      get active() {
        return isActive();
      },
      get closed() {
        return isClosed();
      },
      wake: () => this.#runner?.wake(),
    };
    const runner: DeviceRunner = new DeviceRunner({
      queue,
      mode: rings.ringMode,
      process: () => (this.#isEnabled() ? device.process(running) : discardChains(queue)),
      wantsChains: () =>
        !this.#isEnabled() || (capabilities.scheduling?.wantsChains?.(index) ?? true),
      kick: this.#notifiers.kick,
      call: this.#notifiers.call,
      onIdleKick: () => onIdleKick(this.#setup),
      onBroken: () => {
        this.#runner = undefined;
        this.#reportBroken();
      },
    });
    return runner;
  }

  async #reportIfSlow(drained: void | Promise<void>): Promise<void> {
    if (drained === undefined) return;
    const timer = setTimeout(() => {
      const request = this.#context.capabilities.draining?.describe?.(this.#index);
      this.#reportSlow(request ?? "a request");
    }, PATIENCE_MS);
    try {
      await drained;
    } finally {
      clearTimeout(timer);
    }
  }

  #reportSlow(request: string): void {
    const { onProblem } = this.#context;
    onProblem(
      new StateError(
        `ring ${this.#index} is to stop and has waited for ${PATIENCE_MS / 1000} s for ${request}, which the kernel has not completed; ` +
          "it stops once the storage answers",
      ),
    );
  }

  /** A back-end that was killed may have published completions without a call. */
  #repeatCall(): void {
    if (this.#setup.inflightRegion !== undefined) this.#notifiers.signalCall();
  }

  #reportBroken(): void {
    this.#notifiers.signalError();
    this.#context.onBroken(this.#index, this.brokenReason);
  }

  /** Returns undefined if a translation is missing. */
  #currentQueue(): DeviceQueue | undefined {
    const { memory, iotlb, wrapQueue, reports } = this.#context;
    if (this.#queue && !this.#stale) return this.#queue;
    const { size, features } = this.#setup;
    const areas = this.#setup.locate();
    if (areas === undefined) return undefined;
    const queue = createDeviceQueue({
      size,
      memory: areas,
      space: iotlb() ?? memory,
      features,
      base: this.#queue?.state().base ?? this.#setup.firstBase(areas),
      inflight: this.#setup.inflight,
      log: this.log,
      reports,
    });
    this.#queue = wrapQueue(queue);
    this.#stale = false;
    return this.#queue;
  }
}
