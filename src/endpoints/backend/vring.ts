import { StateError } from "../../core/base/index.ts";
import { EventFd, type OwnedFd } from "../../core/os/index.ts";
import type { VringAddress } from "../../core/protocol/index.ts";
import { DeviceRunner, type RunningQueue } from "../../core/runtime/index.ts";
import { createDeviceQueue, type DeviceQueue, RingLog } from "../../core/virtqueue/index.ts";
import { discardChains } from "./discard.ts";
import { adoptEvent, signalQuietly } from "./ring-events.ts";
import type { StopMode, VringContext } from "./vring-context.ts";
import { VringNotifiers } from "./vring-notifiers.ts";
import { VringSetup } from "./vring-setup.ts";
import { VringWorker } from "./vring-worker.ts";

/**
 * One ring of a session. Two bits tell whether it is served: started (SET_VRING_KICK to
 * GET_VRING_BASE) and enabled (SET_VRING_ENABLE); neither changes the other.
 */
export class Vring {
  readonly index: number;
  readonly #context: VringContext;
  readonly #setup: VringSetup;
  readonly #log: RingLog;
  readonly #notifiers: VringNotifiers;
  #started = false;
  #enabled = false;
  #closed = false;
  #queue: DeviceQueue | undefined;
  #runner: DeviceRunner | undefined;
  /** Serves the ring in place of a runner, where that was asked for and the device can. */
  readonly #worker: VringWorker | undefined;
  /** Why a worker does not serve the ring any more. */
  #fault: string | undefined;
  /** Why the ring cannot be served in the memory that there is. */
  #missing: string | undefined;
  /** The memory that the queue's addresses were looked up in may be gone. */
  #stale = false;

  constructor(index: number, context: VringContext) {
    this.index = index;
    this.#context = context;
    this.#setup = new VringSetup(index, context);
    this.#log = new RingLog(context.memory.log);
    const { capabilities, memory, rings, messages, onProblem, strict, reports } = context;
    const { worker } = capabilities;
    this.#notifiers = new VringNotifiers({ index, messages, onProblem });
    if (!rings.workers || worker === undefined) return;
    this.#worker = new VringWorker({
      index,
      setup: this.#setup,
      placement: worker,
      memory,
      mode: rings.ringMode ?? "event",
      onIdleKick: () => context.onIdleKick(this.#setup),
      strict,
      reports,
      onBroken: ({ base, fault }) => {
        this.#setup.base = base ?? this.#setup.base;
        this.#fault ??= fault;
        if (!this.#closed) this.#reportBroken();
      },
    });
  }

  get started(): boolean {
    return this.#started;
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  /** Why the ring is no longer served, if so. */
  get brokenReason(): string | undefined {
    const fault = this.#queue?.broken;
    return this.#fault ?? this.#missing ?? (fault && `${fault.reason} (VIRTIO ${fault.section})`);
  }

  /** SET_VRING_NUM. @throws {ProtocolError | StateError} */
  setSize(size: number): void {
    this.#expectStopped("VHOST_USER_SET_VRING_NUM");
    this.#setup.setSize(size);
  }

  /** SET_VRING_BASE. @throws {StateError} the ring runs */
  setBase(base: number): void {
    this.#expectStopped("VHOST_USER_SET_VRING_BASE");
    this.#setup.beginAt(base);
  }

  /** SET_INFLIGHT_FD: what is noted there counts, wherever the ring begins. */
  inflightChanged(): void {
    this.#setup.stoppedAt = undefined;
  }

  /** SET_VRING_ADDR; while the ring runs only what concerns its logging may change. */
  async setAddress(address: VringAddress): Promise<void> {
    if (this.#started && !this.#setup.isAt(address)) {
      throw new StateError(
        `VHOST_USER_SET_VRING_ADDR: ring ${this.index} runs; stop it with VHOST_USER_GET_VRING_BASE before moving it`,
      );
    }
    this.#setup.setAddress(address, !this.#started);
    const { on, address: at } = this.#setup.logSetting;
    if (on === this.#log.setting.on && at === this.#log.setting.address) return;
    this.#log.setting = { on, address: at };
    await this.restartWorker();
  }

  /** SET_VRING_KICK: starts the ring; without a descriptor it is polled. */
  setKick(fd: OwnedFd | undefined): void {
    this.#start(adoptEvent(fd));
  }

  /** VRING_KICK, a kick as a message: starts the ring as well. */
  kick(): void {
    if (!this.#started) this.#start(EventFd.create());
    signalQuietly(this.#notifiers.kick);
  }

  #start(kick: EventFd | undefined): void {
    const notifiers = this.#notifiers;
    const before = notifiers.kick;
    const wasStarted = this.#started;
    try {
      // Looked at now, also while the ring is disabled: later nobody could be told.
      if (!wasStarted) this.#setup.check();
      if (this.#worker?.running) {
        this.#worker.replace({ kick, call: notifiers.call }, before);
        notifiers.kick = kick;
        return;
      }
      this.#halt();
      notifiers.kick = kick;
      this.#started = true;
      notifiers.callByMessage();
      this.#run();
    } catch (error) {
      kick?.close();
      notifiers.kick = before;
      this.#started = wasStarted;
      this.#runOrBreak();
      throw error;
    }
    before?.close();
    if (!wasStarted) this.#context.onStarted();
  }

  /** SET_VRING_CALL; without a descriptor the driver polls. */
  setCall(fd: OwnedFd | undefined): void {
    const call = adoptEvent(fd);
    if (this.#runner || this.#worker?.running) {
      try {
        // Completions that were announced on the descriptor before are not lost with it.
        call?.signal();
      } catch (error) {
        call?.close();
        throw error;
      }
    }
    const before = this.#notifiers.exchangeCall(call);
    if (this.#worker?.running) {
      this.#worker.replace({ kick: this.#notifiers.kick, call }, before);
      return;
    }
    if (this.#runner) this.#runner.call = call;
    before?.close();
  }

  /** SET_VRING_ERR */
  setError(fd: OwnedFd | undefined): void {
    this.#notifiers.setError(fd);
  }

  /**
   * SET_VRING_ENABLE. A disabled ring takes no more requests.
   *
   * @param mode `drain`: once this resolves the device has completed those in flight
   */
  async setEnabled(enabled: boolean, mode: StopMode = "drain"): Promise<void> {
    if (enabled && this.#enabled) return;
    this.#enabled = enabled;
    if (!enabled) {
      const { draining, scheduling } = this.#context.capabilities;
      // A ring whose chains are discarded stays served, without the device.
      const discards = this.#runner !== undefined && scheduling?.discards?.(this.index) === true;
      if (mode === "drain") await (discards ? draining?.quiesce(this.index) : this.quiesce());
      else if (!discards) {
        this.#halt();
        await this.#haltWorker();
      }
      return;
    }
    try {
      this.#run();
    } catch (error) {
      this.#enabled = false;
      throw error;
    }
  }

  /**
   * GET_VRING_BASE: stops the ring once nothing is in work, or at once, with what is in work left to
   * the region that it is noted in; returns the next available index.
   */
  async stop(mode: StopMode = "drain"): Promise<number> {
    await this.quiesce(mode);
    if (this.#queue) this.#setup.base = this.#queue.state().base;
    this.#setup.stoppedAt = this.#setup.base;
    this.#notifiers.stop();
    this.#started = false;
    this.#queue = undefined;
    this.#fault = undefined;
    this.#missing = undefined;
    return this.#setup.stoppedBase;
  }

  /**
   * The one way to stop serving a ring, whatever asks for it. Resolves once the device processes none
   * of its requests and nothing touches its memory. {@link resume} goes on.
   */
  async quiesce(mode: StopMode = "drain"): Promise<void> {
    this.#halt();
    await this.#haltWorker();
    const { draining, suspension } = this.#context.capabilities;
    // Without such a region nothing would be left of it.
    const isTracked = this.#setup.inflight !== undefined && suspension !== undefined;
    if (mode === "leave in flight" && isTracked) suspension.suspend(this.index);
    else await draining?.quiesce(this.index);
    // What completed meanwhile; nobody else would show it to the driver.
    if (!this.#closed && this.#queue?.publish()) this.#notifiers.signalCall();
  }

  /** After the memory table changed. A ring that it does not cover is broken until it does again. */
  resume(): void {
    this.#stale = true;
    this.memoryAdded();
  }

  /** A ring whose areas were in no region may go on. */
  memoryAdded(): void {
    this.#missing = undefined;
    this.#runOrBreak();
  }

  /**
   * A worker has mappings of its own: it learns of a new region or dirty log by starting the ring
   * again. Resolves once the thread uses nothing that it was lent. {@link resumeWorker} goes on.
   */
  async pauseWorker(): Promise<void> {
    await this.#haltWorker();
  }

  /** The worker's ring goes on, if there is one. */
  resumeWorker(): void {
    if (this.#worker !== undefined) this.#runOrBreak();
  }

  /** The worker takes over what has changed. */
  async restartWorker(): Promise<void> {
    if (!this.#worker?.running) return;
    await this.pauseWorker();
    this.resumeWorker();
  }

  /** A translation that this ring may wait for came. */
  translationCame(): void {
    if (this.#runner === undefined) this.#runOrBreak();
    else if (this.#queue?.parked) this.#runner.wake();
  }

  /** Whether memory of these I/O virtual addresses may be in use: by the ring, or by buffers. */
  usesTranslations(start: bigint, end: bigint): boolean {
    if (this.#queue === undefined) return false;
    return this.#queue.inFlight > 0 || this.#setup.overlaps(start, end);
  }

  #runOrBreak(): void {
    try {
      this.#run();
    } catch (error) {
      this.#missing = error instanceof Error ? error.message : String(error);
      this.#reportBroken();
    }
  }

  /**
   * The session is over: the ring does not run again. What the device still completes is not shown:
   * the front-end may have handed the ring over already. Resolves once nothing of it is in use.
   */
  async close(): Promise<void> {
    this.#halt();
    this.#closed = true;
    this.#started = false;
    this.#queue = undefined;
    await this.#worker?.close();
    this.#notifiers.close();
    await this.quiesce();
  }

  #halt(): void {
    this.#runner?.stop();
    this.#runner = undefined;
  }

  async #haltWorker(): Promise<void> {
    if (!this.#worker?.running) return;
    const { base, fault } = await this.#worker.stop();
    this.#setup.base = base ?? this.#setup.base;
    this.#fault ??= fault;
  }

  /** Serves the ring if it is started, enabled and set up. */
  #run(): void {
    if (this.#closed || !this.#started || !this.#enabled || this.#isServed) return;
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
    const { index } = this;
    const { device, capabilities } = this.#context;
    const isActive = (): boolean => this.#runner === runner;
    const running: RunningQueue = {
      index,
      queue,
      publish: () => this.#runner?.publish(),
      get active() {
        return isActive();
      },
      wake: () => this.#runner?.wake(),
    };
    const runner = new DeviceRunner({
      queue,
      mode: this.#context.rings.ringMode,
      process: () => (this.#enabled ? device.process(running) : discardChains(queue)),
      wantsChains: () => !this.#enabled || (capabilities.scheduling?.wantsChains?.(index) ?? true),
      kick: this.#notifiers.kick,
      call: this.#notifiers.call,
      onIdleKick: () => this.#context.onIdleKick(this.#setup),
      onBroken: () => {
        this.#runner = undefined;
        this.#reportBroken();
      },
    });
    this.#runner = runner;
    this.#repeatCall();
  }

  /** A back-end that was killed may have shown completions and not called any more. */
  #repeatCall(): void {
    if (this.#setup.inflightRegion !== undefined) this.#notifiers.signalCall();
  }

  /** Or broken, which only a new start ends. */
  get #isServed(): boolean {
    return (
      this.#runner !== undefined ||
      this.#worker?.running === true ||
      this.brokenReason !== undefined
    );
  }

  #reportBroken(): void {
    this.#notifiers.signalError();
    this.#context.onBroken(this.index, this.brokenReason);
  }

  /** Undefined: a translation is missing; {@link translationCame} goes on. */
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
      log: this.#log,
      reports,
    });
    this.#queue = wrapQueue(queue);
    this.#stale = false;
    return this.#queue;
  }

  #expectStopped(request: string): void {
    if (!this.#started) return;
    throw new StateError(
      `${request}: ring ${this.index} runs; stop it with VHOST_USER_GET_VRING_BASE first`,
    );
  }
}
