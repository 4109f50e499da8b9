import { counted, ProtocolError } from "../../core/base/index.ts";
import type { InflightArea, InflightRegion, Iotlb, RegionTable } from "../../core/memory/index.ts";
import { VirtioFeature, type VringAddress, VringAddressFlag } from "../../core/protocol/index.ts";
import {
  type RingFeatures,
  type RingFormat,
  type RingLogSetting,
  ringFormat,
  type RingMemory,
} from "../../core/virtqueue/index.ts";
import { expectSetUp, firstBase, locateRing, ringFeaturesOf } from "./ring-memory.ts";

/** The state of the session against which the set-up of a ring is checked. */
export interface VringSetupContext {
  readonly device: { readonly maxQueueSize: number };
  readonly memory: RegionTable;
  readonly iotlb: () => Iotlb | undefined;
  readonly features: () => bigint;
  readonly inflight: () => InflightRegion | undefined;
  readonly onProblem: (problem: Error) => void;
}

/** The set-up of a ring by the front-end: its size, addresses and base. */
export class VringSetup {
  readonly #index: number;
  readonly #context: VringSetupContext;
  #size = 0;
  #address: VringAddress | undefined;
  /** The base of SET_VRING_BASE; undefined if the front-end sent none, so the ring is unused. */
  base: number | undefined;
  /**
   * The base at which GET_VRING_BASE stopped the ring, as long as the in-flight region has not
   * changed since.
   */
  stoppedAt: number | undefined;

  constructor(index: number, context: VringSetupContext) {
    this.#index = index;
    this.#context = context;
  }

  get size(): number {
    return this.#size;
  }

  get address(): VringAddress | undefined {
    return this.#address;
  }

  get features(): RingFeatures {
    return ringFeaturesOf(this.#context.features());
  }

  /** The settings for logging writes to the used ring. */
  get logSetting(): RingLogSetting {
    const { flags = 0, log = 0n } = this.#address ?? {};
    // Behind an IOMMU the log address is one that would have to be translated. It is that of the
    // used ring, whose place in guest memory is known.
    const virtual = (this.#context.features() & VirtioFeature.AccessPlatform) !== 0n;
    return {
      on: (flags & VringAddressFlag.Log) !== 0,
      address: virtual ? undefined : Number(log),
    };
  }

  /** @throws {ProtocolError} no size of a ring in the negotiated format */
  setSize(size: number): void {
    const { maxQueueSize } = this.#context.device;
    const { isSize, sizes } = this.#format;
    if (!isSize(size) || size > maxQueueSize) {
      throw new ProtocolError(
        `VHOST_USER_SET_VRING_NUM: expected ${sizes} up to ${maxQueueSize}, got ${size}`,
        { request: "VHOST_USER_SET_VRING_NUM", field: "num" },
      );
    }
    this.#size = size;
  }

  /**
   * @param check looks the areas up at once; without a size their extent is not known yet
   * @throws {ProtocolError} an area is not in memory; the address stays as it was
   */
  setAddress(address: VringAddress, check: boolean): void {
    const before = this.#address;
    this.#address = address;
    try {
      if (check && this.#size > 0) this.#expectInMemory();
    } catch (error) {
      this.#address = before;
      throw error;
    }
  }

  /** Returns whether an address names the same areas. */
  isAt({ descriptor, available, used }: VringAddress): boolean {
    const now = this.#address;
    return descriptor === now?.descriptor && available === now.available && used === now.used;
  }

  /**
   * Checks before the start that the ring is set up, and reports a ring for which {@link
   * inflightRegion} has no room.
   *
   * @throws {StateError | ProtocolError | MemoryAccessError} the ring is not set up, not in shared
   *   memory, or not of the region's format
   */
  check(): void {
    this.#expectInMemory();
    this.#checkInflightRoom();
  }

  /**
   * Checks that the ring is set up, and in memory where that can be known: translations are asked for
   * when they are needed, and no device that is stopped may ask.
   */
  #expectInMemory(): void {
    const { memory, iotlb } = this.#context;
    if (iotlb() === undefined)
      locateRing(this.#index, this.#size, this.#address, memory, this.#format);
    else expectSetUp(this.#index, this.#size, this.#address);
  }

  /**
   * The areas as memory of this process; undefined if translations are missing, and were asked for.
   *
   * @throws {StateError | ProtocolError} see `locateRing`
   */
  locate(): RingMemory | undefined {
    const { memory, iotlb } = this.#context;
    const space = iotlb() ?? memory;
    return locateRing(this.#index, this.#size, this.#address, space, this.#format);
  }

  /** Returns whether a part of the ring is in `[start, end)`. */
  overlaps(start: bigint, end: bigint): boolean {
    const { descriptor, available, used } = this.#address ?? {};
    const { descriptors, driver, device } = this.#format.layout(this.#size);
    const within = (at: bigint | undefined, { bytes }: { bytes: number }): boolean =>
      at !== undefined && at < end && at + BigInt(bytes) > start;
    return within(descriptor, descriptors) || within(available, driver) || within(used, device);
  }

  /**
   * SET_VRING_BASE. A ring that was stopped in this session, and begins somewhere else, is a new one
   * (a queue was reset): the record of the one before does not apply to it.
   */
  beginAt(base: number): void {
    this.base = base;
    const before = this.stoppedAt;
    // DPDK sends only the first of the two halves of a packed ring's base.
    if (before === undefined || ((before ^ base) & 0xffff) === 0) return;
    this.stoppedAt = undefined;
    const view = this.inflight?.view;
    view?.window.bytes.fill(0, view.offset, view.offset + view.length);
  }

  /** Returns the position at which to begin, in a ring with these areas. */
  firstBase(areas: RingMemory): number {
    return firstBase(this.base, this.#size, areas, this.#format);
  }

  /**
   * Records its requests in flight; undefined if they are not recorded.
   *
   * @throws {MemoryAccessError}
   */
  get inflight(): InflightArea | undefined {
    return this.inflightRegion?.area(this.#index, this.features.packed === true);
  }

  /**
   * The in-flight region, if it has room for this ring. A larger ring is served without being
   * recorded: QEMU 10.0.13 sizes the region by `queue-size=`, 128, and allows rings of up to 1024
   * entries.
   */
  get inflightRegion(): InflightRegion | undefined {
    const region = this.#context.inflight();
    return region === undefined || this.#size > region.description.queueSize ? undefined : region;
  }

  /** @throws {MemoryAccessError} see {@link InflightRegion.area} */
  #checkInflightRoom(): void {
    const area = this.#context.inflight()?.area(this.#index, this.features.packed === true);
    if (area === undefined || this.#size <= area.entries) return;
    this.#context.onProblem(
      new ProtocolError(
        `ring ${this.#index}: expected at most ${counted(area.entries, "entry", "entries")}, as VHOST_USER_SET_INFLIGHT_FD said, ` +
          `got ${this.#size}: its requests are not tracked, and are lost if this process is killed`,
        { field: "num" },
      ),
    );
  }

  /** The base of the ring, for GET_VRING_BASE. */
  get stoppedBase(): number {
    return this.base ?? this.#format.freshBase;
  }

  get #format(): RingFormat {
    return ringFormat(this.features.packed === true);
  }
}
