import {
  type RingEnd,
  type RingMode,
  type RingNotifiers,
  RingWorker,
} from "../../core/runtime/index.ts";
import type { RegionTable } from "../../core/memory/index.ts";
import type { EventFd } from "../../core/os/index.ts";
import type { DriverReports } from "../../core/virtqueue/index.ts";
import type { WorkerPlacement } from "./capabilities.ts";
import type { VringSetup } from "./vring-setup.ts";

export interface VringWorkerOptions {
  readonly index: number;
  readonly setup: VringSetup;
  readonly placement: WorkerPlacement;
  readonly memory: RegionTable;
  readonly mode: RingMode;
  readonly onIdleKick: () => void;
  readonly onSlowStop: (request: string) => void;
  readonly strict: boolean;
  readonly reports: DriverReports;
  /** Called when the ring broke, or its thread ended. */
  readonly onBroken: (end: RingEnd) => void;
}

/** A ring that is served in a thread of its own, made at the first start for all of the session. */
export class VringWorker {
  readonly #options: VringWorkerOptions;
  #thread: RingWorker | undefined;

  constructor(options: VringWorkerOptions) {
    this.#options = options;
  }

  get running(): boolean {
    return this.#thread?.running === true;
  }

  /**
   * The thread looks the ring up in its own mappings; here it is only checked.
   *
   * @returns false: this ring's place is the event loop
   * @throws {StateError | ProtocolError} the ring is not set up, or is not in shared memory
   */
  start(notifiers: RingNotifiers): boolean {
    const { index, setup, placement, memory, mode, strict, reports } = this.#options;
    const located = setup.locate();
    if (located === undefined) return false;
    const base = setup.firstBase(located);
    const { address, size, features, inflightRegion } = setup;
    const part = address && placement.partFor(index);
    if (address === undefined || part === undefined) return false;
    if (this.#thread === undefined || this.#thread.gone) {
      const { onIdleKick, onSlowStop, onBroken } = this.#options;
      const name = `vhost-user ring ${index}`;
      this.#thread = new RingWorker({ name, onIdleKick, onSlowStop, onBroken, reports });
    }
    const areas = {
      descriptors: address.descriptor,
      driver: address.available,
      device: address.used,
    };
    const ring = {
      index,
      size,
      features,
      base,
      areas,
      memory: memory.regions.map(({ handle }) => handle),
      inflight: inflightRegion?.handle,
      mode,
      log: memory.log.handle,
      ringLog: setup.logSetting,
      strict,
    };
    this.#thread.start(ring, part, notifiers);
    return true;
  }

  /** Replaces kick and call, and closes `retired` once that is safe. */
  replace(notifiers: RingNotifiers, retired: EventFd | undefined): void {
    this.#thread?.replace(notifiers, retired);
  }

  /** Resolves once the thread touches nothing of the ring any more. */
  async stop(): Promise<RingEnd> {
    if (!this.running || this.#thread === undefined) return { base: undefined, fault: undefined };
    return this.#thread.stop();
  }

  async close(): Promise<void> {
    await this.#thread?.close();
  }
}
