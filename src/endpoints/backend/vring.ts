import { StateError } from "../../core/base/index.ts";
import { EventFd, type OwnedFd } from "../../core/os/index.ts";
import type { VringAddress } from "../../core/protocol/index.ts";
import { adoptEvent, signalQuietly } from "./ring-events.ts";
import type { StopMode, VringContext } from "./vring-context.ts";
import { VringNotifiers } from "./vring-notifiers.ts";
import { VringService } from "./vring-service.ts";
import { VringSetup } from "./vring-setup.ts";

/**
 * One ring of a session, as the front-end's messages drive it. Two bits decide whether it is served:
 * started (SET_VRING_KICK to GET_VRING_BASE) and enabled (SET_VRING_ENABLE); neither changes the
 * other.
 */
export class Vring {
  readonly index: number;
  readonly #context: VringContext;
  readonly #setup: VringSetup;
  readonly #notifiers: VringNotifiers;
  readonly #service: VringService;
  #started = false;
  #enabled = false;

  constructor(index: number, context: VringContext) {
    this.index = index;
    this.#context = context;
    this.#setup = new VringSetup(index, context);
    const { messages, onProblem } = context;
    this.#notifiers = new VringNotifiers({ index, messages, onProblem });
    const isEnabled = (): boolean => this.#enabled;
    this.#service = new VringService(index, context, this.#setup, this.#notifiers, isEnabled);
  }

  get started(): boolean {
    return this.#started;
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  /** The reason why the ring is no longer served, if so. */
  get brokenReason(): string | undefined {
    return this.#service.brokenReason;
  }

  /**
   * SET_VRING_NUM.
   *
   * @throws {ProtocolError | StateError}
   */
  setSize(size: number): void {
    this.#expectStopped("VHOST_USER_SET_VRING_NUM");
    this.#setup.setSize(size);
  }

  /**
   * SET_VRING_BASE.
   *
   * @throws {StateError} the ring runs
   */
  setBase(base: number): void {
    this.#expectStopped("VHOST_USER_SET_VRING_BASE");
    this.#setup.beginAt(base);
  }

  /**
   * Takes account of a new in-flight region (SET_INFLIGHT_FD): its record decides where the ring
   * begins.
   */
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
    const { log } = this.#service;
    if (on === log.setting.on && at === log.setting.address) return;
    log.setting = { on, address: at };
    await this.restartWorker();
  }

  /**
   * Sets the kick descriptor and starts the ring (SET_VRING_KICK); without a descriptor it is
   * polled.
   */
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
    const service = this.#service;
    const before = notifiers.kick;
    const wasStarted = this.#started;
    try {
      // Checked now, also while the ring is disabled: later there is no request to refuse.
      if (!wasStarted) this.#setup.check();
      if (service.inWorker) {
        service.replaceInWorker(kick, notifiers.call, before);
        notifiers.kick = kick;
        return;
      }
      service.halt();
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
    const service = this.#service;
    if (service.onEventLoop || service.inWorker) {
      try {
        // A completion whose call went to the descriptor before is not lost with it.
        call?.signal();
      } catch (error) {
        call?.close();
        throw error;
      }
    }
    const before = this.#notifiers.exchangeCall(call);
    if (service.inWorker) {
      service.replaceInWorker(this.#notifiers.kick, call, before);
      return;
    }
    service.call = call;
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
      // A ring whose chains are discarded is still served, without the device.
      const discards = this.#service.onEventLoop && scheduling?.discards?.(this.index) === true;
      if (mode === "drain") await (discards ? draining?.quiesce(this.index) : this.quiesce());
      else if (!discards) {
        this.#service.halt();
        await this.#service.haltWorker();
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
   * Stops the ring (GET_VRING_BASE) once no request is in flight, or at once, leaving the requests
   * in flight to the region that records them.
   *
   * @returns the next available index
   */
  async stop(mode: StopMode = "drain"): Promise<number> {
    await this.quiesce(mode);
    this.#service.forget();
    this.#setup.stoppedAt = this.#setup.base;
    this.#notifiers.stop();
    this.#started = false;
    return this.#setup.stoppedBase;
  }

  /**
   * Stops serving the ring, for every request that needs it. Resolves once the device processes
   * none of its requests and nothing touches its memory. {@link resume} continues.
   */
  async quiesce(mode: StopMode = "drain"): Promise<void> {
    await this.#service.quiesce(mode);
  }

  /**
   * Continues after the memory table changed. A ring outside of the table is broken until the table
   * covers it again.
   */
  resume(): void {
    this.#service.memoryChanged();
    this.#runOrBreak();
  }

  /** Retries a ring whose areas were in no region, after one was added. */
  memoryAdded(): void {
    this.#service.memoryAdded();
    this.#runOrBreak();
  }

  /**
   * Pauses the worker, which has mappings of its own and sees a new region or dirty log only after
   * a restart. Resolves once the thread uses nothing that it borrowed. {@link resumeWorker}
   * continues.
   */
  async pauseWorker(): Promise<void> {
    await this.#service.haltWorker();
  }

  /** Starts the ring again after {@link pauseWorker}. */
  resumeWorker(): void {
    if (this.#service.hasWorker) this.#runOrBreak();
  }

  /** Restarts the worker so that it sees changed memory. */
  async restartWorker(): Promise<void> {
    if (!this.#service.inWorker) return;
    await this.pauseWorker();
    this.resumeWorker();
  }

  /** Wakes the ring after the arrival of a translation that it may wait for. */
  translationCame(): void {
    if (this.#service.onEventLoop) this.#service.wakeParked();
    else this.#runOrBreak();
  }

  /**
   * Returns whether memory of these I/O virtual addresses may be in use: by the ring, or by
   * buffers.
   */
  usesTranslations(start: bigint, end: bigint): boolean {
    return this.#service.usesTranslations(start, end);
  }

  /** The session has ended. Resolves once nothing of the ring is in use. */
  async close(): Promise<void> {
    this.#started = false;
    await this.#service.close();
    this.#notifiers.close();
    await this.quiesce();
  }

  #run(): void {
    if (this.#started && this.#enabled) this.#service.run();
  }

  #runOrBreak(): void {
    if (this.#started && this.#enabled) this.#service.runOrBreak();
  }

  #expectStopped(request: string): void {
    if (!this.#started) return;
    throw new StateError(
      `${request}: ring ${this.index} runs; stop it with VHOST_USER_GET_VRING_BASE first`,
    );
  }
}
