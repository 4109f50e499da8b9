import { NegotiationError } from "../../../core/base/index.ts";
import { DirtyLog } from "../../../core/memory/index.ts";
import { ProtocolFeature, VirtioFeature, VringAddressFlag } from "../../../core/protocol/index.ts";
import type { ClientQueue } from "../queue.ts";
import type { FrontendRequests } from "../requests.ts";
import { PageLog } from "./page-log.ts";

/**
 * Logs the writes to a session's memory while it is copied: the back-end logs its own, and the
 * requests of the driver are logged when they are made available.
 */
export class SourceLog {
  readonly #requests: FrontendRequests;
  readonly #queues: readonly ClientQueue[];
  readonly #device: PageLog;
  readonly #driver: PageLog;
  readonly #driverMarks = new DirtyLog();

  /** @param end first guest address that needs no bit */
  constructor(requests: FrontendRequests, queues: readonly ClientQueue[], end: number) {
    this.#requests = requests;
    this.#queues = queues;
    this.#device = new PageLog(end);
    this.#driver = new PageLog(end);
    this.#driverMarks.replace(this.#driver.description, this.#driver.fd.duplicate());
  }

  /**
   * Switches logging on, in the order of the specification: base, features, rings.
   *
   * @throws {NegotiationError} the back-end cannot log into shared memory
   * @throws {PeerClosedError | TimeoutError | ProtocolError | RemoteError}
   */
  async start(): Promise<void> {
    const { negotiation } = this.#requests;
    const offersLog = ((negotiation.offered ?? 0n) & VirtioFeature.LogAll) !== 0n;
    if (!negotiation.has(ProtocolFeature.LogShmfd) || !offersLog) {
      throw new NegotiationError(
        "migration: the source does not log what it writes; have it offer " +
          (offersLog ? "VHOST_USER_PROTOCOL_F_LOG_SHMFD" : "VHOST_F_LOG_ALL"),
      );
    }
    for (const queue of this.#queues) queue.logTo(this.#driverMarks);
    await this.#requests.setLogBase(this.#device.description, this.#device.fd);
    await this.#requests.setFeatures(negotiation.features | VirtioFeature.LogAll);
    for (const queue of this.#queues) await this.#setRingLog(queue, true);
  }

  /** Pages written since the last look, and how many of them by the back-end. */
  take(): { readonly pages: ReadonlySet<number>; readonly byDevice: number } {
    const pages = new Set<number>();
    this.#device.take((page) => pages.add(page));
    const byDevice = pages.size;
    this.#driver.take((page) => pages.add(page));
    return { pages, byDevice };
  }

  /** Switches logging off. It throws if that fails, as the session may continue on the source. */
  async stop(): Promise<void> {
    for (const queue of this.#queues) queue.logTo(undefined);
    await this.#requests.setFeatures(this.#requests.negotiation.features & ~VirtioFeature.LogAll);
    for (const queue of this.#queues) await this.#setRingLog(queue, false);
  }

  close(): void {
    for (const queue of this.#queues) queue.logTo(undefined);
    this.#driverMarks.close();
    this.#device.close();
    this.#driver.close();
  }

  async #setRingLog({ index, ring }: ClientQueue, on: boolean): Promise<void> {
    const { descriptors, driver, device } = ring.parts;
    // DPDK uses the log address of a packed ring for its descriptors.
    const logged = ring.raw.format === "packed" ? descriptors : device;
    await this.#requests.setVringAddr({
      index,
      flags: on ? VringAddressFlag.Log : 0,
      descriptor: descriptors.ringAddress,
      available: driver.ringAddress,
      used: device.ringAddress,
      log: on ? BigInt(logged.guestAddress) : 0n,
    });
  }
}
