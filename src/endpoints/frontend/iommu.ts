import { MemoryAccessError, UsageError } from "../../core/base/index.ts";
import type { GuestMemory } from "../../core/memory/index.ts";
import { type Iotlb, IotlbPermission, IotlbType } from "../../core/protocol/index.ts";

export interface IommuOptions {
  /** Page size in bytes, a power of two from 4096: one update translates one page. Default 4096. */
  readonly pageSize?: number | undefined;
}

/** Counters of IOMMU messages since the session began. */
export interface IommuCounters {
  misses: number;
  /** Misses of what is not mapped, or not with that permission: no update went out. */
  refused: number;
  updates: number;
  invalidations: number;
}

export interface ClientIommuContext {
  readonly memory: () => GuestMemory;
  /** Sends IOTLB_MSG; resolves once the back-end has acknowledged it. */
  readonly send: (message: Iotlb) => Promise<void>;
}

const DEFAULT_PAGE = 4096;

/**
 * The client's IOMMU (specification: "IOMMU support"): all of its memory at I/O virtual addresses,
 * sent to the back-end page by page, as it asks. Access can be withdrawn and granted again.
 *
 * @example
 * ```ts
 * import type { Client } from "vhost-user";
 *
 * // Withdraws a buffer from a back-end that was connected to with the option iommu.
 * async function withdraw({ iommu, memory }: Client): Promise<void> {
 *   const { address, bytes } = memory.allocate(4096, 4096);
 *   await iommu?.invalidate(address, bytes.length);
 * }
 * ```
 */
export class ClientIommu {
  readonly counters: Readonly<IommuCounters>;
  readonly #counters: IommuCounters = { misses: 0, refused: 0, updates: 0, invalidations: 0 };
  readonly #context: ClientIommuContext;
  readonly #page: bigint;
  /** Permissions of pages that are not readable and writable, by page. */
  readonly #restricted = new Map<bigint, number>();

  /**
   * Makes the IOMMU that the options request; undefined if they request none.
   *
   * @throws {UsageError} the page size is not a power of two from 4096
   */
  static where(
    options: boolean | IommuOptions | undefined,
    context: ClientIommuContext,
  ): ClientIommu | undefined {
    if (!options) return undefined;
    return new ClientIommu(options === true ? {} : options, context);
  }

  /** @throws {UsageError} no page size */
  constructor({ pageSize = DEFAULT_PAGE }: IommuOptions, context: ClientIommuContext) {
    if (!(pageSize >= DEFAULT_PAGE) || !Number.isInteger(Math.log2(pageSize))) {
      throw new UsageError(`IOMMU page size ${pageSize} is not a power of two from 4096`);
    }
    this.#context = context;
    this.#page = BigInt(pageSize);
    this.counters = this.#counters;
  }

  /**
   * A miss of the back-end: resolves once the update was acknowledged.
   *
   * @param send sends IOTLB_MSG on the connection that the miss belongs to
   * @throws {MemoryAccessError} nothing is mapped there, or not with that permission
   */
  async answer(
    { iova, permissions, type }: Iotlb,
    send: (message: Iotlb) => Promise<void>,
  ): Promise<void> {
    if (type !== IotlbType.Miss) {
      throw new MemoryAccessError(`the device may not access IOVA 0x${iova.toString(16)}`);
    }
    this.#counters.misses += 1;
    const place = this.#context.memory().atIova(iova);
    const granted = this.#restricted.get(this.#pageOf(iova)) ?? IotlbPermission.ReadWrite;
    if (place === undefined || (granted & permissions) !== permissions) {
      this.#counters.refused += 1;
      throw new MemoryAccessError(
        `IOVA 0x${iova.toString(16)}: ` +
          (place === undefined
            ? "nothing is mapped"
            : `the page has permissions ${granted}, and the device needs ${permissions}`),
      );
    }
    const { description } = place.region;
    const first = this.#pageOf(iova) * this.#page;
    const start = first > place.iova ? first : place.iova;
    const regionEnd = place.iova + description.size;
    const end = first + this.#page < regionEnd ? first + this.#page : regionEnd;
    this.#counters.updates += 1;
    await send({
      iova: start,
      size: end - start,
      userAddress: description.userAddress + (start - place.iova),
      permissions: granted,
      type: IotlbType.Update,
    });
  }

  /**
   * Withdraws translations: the back-end does not use the range any more once this resolves, and
   * asks again for what it needs.
   *
   * @param address I/O virtual address, as in descriptors
   * @param length bytes
   */
  async invalidate(address: number, length: number): Promise<void> {
    this.#counters.invalidations += 1;
    const range = { iova: BigInt(address), size: BigInt(length) };
    const nothing = { userAddress: 0n, permissions: IotlbPermission.None };
    await this.#context.send({ ...range, ...nothing, type: IotlbType.Invalidate });
  }

  /**
   * Changes the back-end's permissions for the pages of a range, and invalidates their
   * translations.
   *
   * @param permissions one of `IotlbPermission`
   */
  async protect(address: number, length: number, permissions: number): Promise<void> {
    const last = this.#pageOf(BigInt(address + length - 1));
    for (let page = this.#pageOf(BigInt(address)); page <= last; page += 1n) {
      if (permissions === IotlbPermission.ReadWrite) this.#restricted.delete(page);
      else this.#restricted.set(page, permissions);
    }
    await this.invalidate(address, length);
  }

  #pageOf(iova: bigint): bigint {
    return iova / this.#page;
  }
}
