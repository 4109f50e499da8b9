import { counted, Deferred, ProtocolError, StateError } from "../../core/base/index.ts";
import { type InflightRegion, RegionTable } from "../../core/memory/index.ts";
import { ProtocolFeature, VirtioFeature } from "../../core/protocol/index.ts";
import { Negotiation } from "../../core/session/index.ts";
import type { CloseReason } from "../../core/transport/index.ts";
import { countInflight } from "../../core/virtqueue/index.ts";
import { BackendRequests } from "./backend-requests.ts";
import type { DeviceCapabilities } from "./capabilities.ts";
import type { Device } from "./device.ts";
import { BackendIommu } from "./iommu.ts";
import { leaveRegion } from "./inflight-owners.ts";
import {
  BACKEND_OPTIONAL_FEATURES,
  BACKEND_RING_FEATURES,
  protocolFeaturesOf,
  SKIP_DRAIN,
  withoutConflicts,
} from "./offered-features.ts";
import { Postcopy } from "./postcopy.ts";
import { SessionHistory } from "./session-history.ts";
import { SessionProblems } from "./session-problems.ts";
import type { SessionOptions } from "./session-options.ts";
import { SharingWatch } from "./unshared-memory.ts";
import { Vring } from "./vring.ts";

/**
 * The state that the handlers of a session's requests share: negotiation, memory, rings, status.
 */
export abstract class SessionState {
  /** Resolves with the reason when the connection has ended. */
  abstract readonly closed: Promise<CloseReason>;
  readonly device: Device;
  readonly capabilities: DeviceCapabilities;
  readonly negotiation = new Negotiation();
  readonly memory = new RegionTable();
  readonly postcopy = new Postcopy();
  readonly iommu: BackendIommu;
  readonly history = new SessionHistory();
  readonly problems: SessionProblems;
  /** Features that are offered. */
  readonly features: bigint;
  readonly protocolFeatures: bigint;
  /** Virtio device status byte. */
  status = 0;
  readonly #options: SessionOptions;
  /** The back-end's own requests, once the front-end has opened a channel for them. */
  readonly requests: BackendRequests;
  readonly #vrings: Vring[] = [];
  /** True if new rings are enabled: the front-end sent SET_FEATURES without PROTOCOL_FEATURES. */
  #enabledAtStart = false;
  #configChangeDue = false;
  readonly #sharing = new SharingWatch(this.memory, (problem) => this.problems.report(problem));
  #inflight: InflightRegion | undefined;
  readonly #ended = new Deferred<void>();

  constructor(options: SessionOptions) {
    const { device, without, optional = 0n } = options;
    this.#options = options;
    this.problems = new SessionProblems(options, this.history);
    this.device = device;
    this.capabilities = device.capabilities ?? {};
    const platform = options.iommu ? VirtioFeature.AccessPlatform : 0n;
    const reset = options.ringReset ? VirtioFeature.RingReset : 0n;
    const implemented = device.features | BACKEND_RING_FEATURES | platform | reset;
    this.features = implemented & ~(without?.virtio ?? 0n);
    const extra = optional & BACKEND_OPTIONAL_FEATURES;
    const offered = (protocolFeaturesOf(device) | extra) & ~(without?.protocol ?? 0n);
    const tracks = (offered & ProtocolFeature.InflightShmfd) !== 0n;
    const possible = tracks ? offered : offered & ~SKIP_DRAIN;
    this.protocolFeatures = withoutConflicts(possible, options.rings?.workers === true);
    this.negotiation.offered = this.features;
    this.negotiation.offeredProtocolFeatures = this.protocolFeatures;
    this.requests = new BackendRequests({
      negotiation: this.negotiation,
      observe: options.observe,
      suspended: () => this.suspended,
    });
    this.iommu = new BackendIommu({
      memory: this.memory,
      vrings: () => this.vrings,
      ask: async (message) => this.requests.iotlbMsg(message),
      onProblem: (problem) => this.problems.report(problem),
    });
  }

  /** Resolves once the connection has ended and the device has completed every request. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** The region that records requests in flight (SET_INFLIGHT_FD). Taken over; no ring may run. */
  set inflight(region: InflightRegion | undefined) {
    this.#inflight?.close();
    this.#inflight = region;
    if (region === undefined) return;
    for (const vring of this.vrings) vring.inflightChanged();
    const packed = (this.negotiation.features & VirtioFeature.RingPacked) !== 0n;
    let count = 0;
    for (let index = 0; index < region.description.numQueues; index += 1) {
      const area = region.area(index, packed);
      if (area !== undefined) count += countInflight(area, packed);
    }
    if (count > 0) this.#options.onReplay?.(count);
  }

  /**
   * The rings up to the last one that the front-end named, by index. A device may offer hundreds:
   * those that are not used must cost nothing.
   */
  get vrings(): readonly Vring[] {
    return this.#vrings;
  }

  /**
   * Returns a ring.
   *
   * @throws {ProtocolError} the device has no such ring
   */
  vring(index: number, request: string): Vring {
    const { maxQueues } = this.device;
    if (index >= maxQueues) {
      throw new ProtocolError(
        `${request}: there is no ring ${index}: the device offers ${counted(maxQueues, "ring")}`,
        { request, field: "index" },
      );
    }
    let vring = this.#vrings[index];
    for (let next = this.#vrings.length; vring === undefined; next += 1) {
      const made = this.#vring(next);
      // A ring that is not started has nothing to wait for.
      if (this.#enabledAtStart) void made.setEnabled(true);
      this.#vrings.push(made);
      if (next === index) vring = made;
    }
    return vring;
  }

  /** Enables or disables every ring, also those that the front-end names later. */
  async setAllEnabled(enabled: boolean): Promise<void> {
    this.#enabledAtStart = enabled;
    for (const vring of this.vrings) await vring.setEnabled(enabled);
  }

  /** Returns whether all rings are stopped: then no request is sent to the front-end. */
  get suspended(): boolean {
    return this.vrings.every((vring) => !vring.started);
  }

  /**
   * Asks the front-end to read the configuration again (CONFIG_CHANGE_MSG), now or once the first
   * ring starts. Without a back-end channel it reports that the front-end does not notice the
   * change.
   *
   * @throws {NegotiationError | TimeoutError | RemoteError | PeerClosedError}
   */
  async configChanged(): Promise<void> {
    this.#configChangeDue = this.requests.open;
    if (!this.#configChangeDue) {
      this.problems.report(
        new StateError(
          "the new configuration cannot be announced: the front-end gave no back-end channel " +
            "(VHOST_USER_SET_BACKEND_REQ_FD); it sees the change when it connects again",
        ),
      );
    }
    for (const vring of this.vrings) await vring.restartWorker();
    await this.#announceConfigChange();
  }

  async #announceConfigChange(): Promise<void> {
    if (!this.#configChangeDue || this.suspended) return;
    this.#configChangeDue = false;
    await this.requests.configChange();
  }

  /** Sends what waited for the device to run, once no request is being served. */
  #ringStarted(): void {
    this.history.ringStarted = true;
    setImmediate(() => {
      this.#announceConfigChange().catch((error: unknown) => this.problems.report(error));
    });
  }

  /**
   * RESET_OWNER, deprecated, disables every ring. Where all are disabled already it is a reset: Cloud
   * Hypervisor before v25 and rust-hypervisor-firmware disable every ring, send it, and set the
   * device up again on the same connection.
   */
  async resetOwner(): Promise<void> {
    const isReset = !this.#enabledAtStart && this.vrings.every(({ enabled }) => !enabled);
    await (isReset ? this.reset() : this.setAllEnabled(false));
  }

  /** Stops all rings and puts the device back to its beginning. */
  async reset(): Promise<void> {
    this.#enabledAtStart = false;
    for (const vring of this.vrings) {
      await vring.setEnabled(false);
      await vring.stop();
    }
    // The region records requests from before the reset, and the driver no longer waits for them.
    this.inflight = undefined;
    this.iommu.iotlb.clear();
    this.capabilities.lifecycle?.reset?.();
  }

  /** Unmaps the memory after the connection has ended, once the device has no request in flight. */
  protected release(): void {
    this.iommu.close();
    this.#sharing.close();
    this.requests.close();
    const drained = this.vrings.map((vring) => vring.close());
    const through = Promise.allSettled(drained);
    if (this.#inflight) leaveRegion(this.#inflight, through);
    void through.then(() => {
      try {
        this.postcopy.close();
        this.memory.close();
        this.inflight = undefined;
        this.capabilities.lifecycle?.close?.();
      } catch (error) {
        this.problems.report(error);
      }
      this.#ended.resolve();
    });
  }

  get #translates(): boolean {
    return (this.negotiation.features & VirtioFeature.AccessPlatform) !== 0n;
  }

  /** True if notifications without a descriptor travel as messages. */
  get #inband(): boolean {
    return this.negotiation.has(ProtocolFeature.InbandNotifications);
  }

  #vring(index: number): Vring {
    const { queue, rings } = this.#options;
    return new Vring(index, {
      device: this.device,
      capabilities: this.capabilities,
      memory: this.memory,
      iotlb: () => (this.#translates ? this.iommu.iotlb : undefined),
      features: () => this.negotiation.features,
      messages: () => (this.#inband ? this.requests : undefined),
      onStarted: () => this.#ringStarted(),
      onIdleKick: (setup) => {
        // An I/O virtual address does not name a place in a region.
        if (!this.#translates) this.#sharing.onIdleKick(index, setup);
      },
      onProblem: (problem) => this.problems.report(problem),
      inflight: () => this.#inflight,
      rings: { ringMode: rings?.ringMode, workers: rings?.workers === true && queue === undefined },
      wrapQueue: queue ?? ((plain) => plain),
      strict: this.#options.strictness === "strict",
      reports: {
        tolerates: (feature) => this.problems.toleratesFeature(feature),
        unreachable: (fault) => this.problems.unreachable(index, fault),
      },
      onBroken: (ring, reason) =>
        this.problems.report(new ProtocolError(`ring ${ring} is broken: ${reason}`)),
    });
  }
}
