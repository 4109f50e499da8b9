import { counted, MemoryAccessError } from "../base/index.ts";
import { IotlbPermission } from "../protocol/index.ts";
import { type AddressSpace, Resolved } from "./address-space.ts";
import { IotlbMisses, type MissHandler } from "./iotlb-misses.ts";
import { IotlbTable, type Translation } from "./iotlb-table.ts";
import type { RegionTable } from "./region-table.ts";
import type { SpanList } from "./span-list.ts";
import { type MemoryView, WINDOW_SIZE } from "./window.ts";

const { Read, Write } = IotlbPermission;
/** Addresses are used as numbers. */
const NUMBER_LIMIT = 2n ** 53n;
const END = 2n ** 64n;

/**
 * The back-end's I/O virtual addresses (specification: "IOMMU support"): the translations that the
 * front-end sent, and the regions behind them. An unknown address is requested once, and is a
 * {@link Resolved.Miss} until the front-end has answered.
 *
 * An update only adds permissions to an equal translation, as a virtual IOMMU may report only the
 * permissions that were requested. Only an invalidation removes them.
 */
export class Iotlb implements AddressSpace {
  readonly #regions: RegionTable;
  readonly #table = new IotlbTable();
  readonly #misses: IotlbMisses;
  /** Generation of the regions that the translations were looked up in. */
  #regionsSeen = -1;
  #changes = 0;

  constructor(regions: RegionTable, onMiss: MissHandler) {
    this.#regions = regions;
    this.#misses = new IotlbMisses(onMiss);
  }

  get generation(): number {
    return this.#regions.generation + this.#changes;
  }

  get broken(): boolean {
    return this.#regions.broken;
  }

  /** Number of known translations; contiguous ones count as one. */
  get size(): number {
    return this.#table.size;
  }

  /**
   * Adds a translation (IOTLB_MSG, update).
   *
   * @param iova first I/O virtual address
   * @param size bytes
   * @param userAddress user address of the memory in the front-end
   * @param permissions one of `IotlbPermission`
   * @throws {MemoryAccessError} the numbers make no range, or it is not in memory; nothing changed
   */
  update(iova: bigint, size: bigint, userAddress: bigint, permissions: number): void {
    this.#forgetOldRegions();
    expectRange(iova, size, userAddress, permissions);
    for (const found of this.#locateAll(iova, size, userAddress, permissions)) {
      this.#table.add(found);
    }
    this.#misses.updated(Number(iova), Number(iova + size), permissions);
    this.#changes += 1;
  }

  /**
   * Returns the first address behind a range that is invalidated. A size of 0 at address 0 is the
   * whole space: 2^64 does not fit the field, and QEMU sends exactly that for a global flush.
   */
  endOf(iova: bigint, size: bigint): bigint {
    return size === 0n && iova === 0n ? END : iova + size;
  }

  /** Removes translations (IOTLB_MSG, invalidate). Users of the range must have stopped before. */
  invalidate(iova: bigint, size: bigint): void {
    const end = this.endOf(iova, size);
    // The table has no addresses from 2^53 on.
    const limited = end > NUMBER_LIMIT ? NUMBER_LIMIT : end;
    if (iova < limited) this.#table.remove(Number(iova), Number(limited));
    this.#misses.forgetDenials();
    this.#changes += 1;
  }

  /** Removes all translations and all open questions. */
  clear(): void {
    this.#table.clear();
    this.#misses.clear();
    this.#changes += 1;
  }

  resolve(low: number, high: number, length: number, write: boolean, out: SpanList): Resolved {
    this.#forgetOldRegions();
    const table = this.#table;
    const needed = write ? Write : Read;
    // Rounded where it is 2^53 or more, and negative from 2^63 on: nothing is there.
    table.address = (high | 0) * 2 ** 32 + (low >>> 0);
    while (length > 0) {
      const found = table.find();
      if (found === undefined || (found.permissions & needed) === 0) return this.#miss(needed);
      const take = Math.min(length, found.end - table.address);
      const at = table.address - found.origin;
      const index = Math.floor(at / WINDOW_SIZE);
      if (!found.region.push(index, at - index * WINDOW_SIZE, take, out)) return Resolved.Fault;
      table.address += take;
      length -= take;
    }
    return Resolved.Ok;
  }

  /**
   * Returns contiguous memory for a part of a ring; undefined if a translation is missing, which is
   * then requested.
   *
   * @param needed permissions
   * @throws {MemoryAccessError} the front-end gave no such permission, the range is not contiguous,
   *   or no translation of it can exist
   */
  locate(iova: bigint, length: number, needed: number): MemoryView | undefined {
    this.#forgetOldRegions();
    const table = this.#table;
    if (iova + BigInt(length) > NUMBER_LIMIT) {
      throw new MemoryAccessError(
        `expected IOVA + size up to 2^53, got 0x${iova.toString(16)} and ${counted(length, "byte")}`,
      );
    }
    table.address = Number(iova);
    const end = table.address + length;
    const first = table.find();
    const missing = needed & ~(first?.permissions ?? 0);
    if (first === undefined || missing !== 0) return this.#missing(missing);
    for (let found = first; found.end < end;) {
      table.address = found.end;
      const next = table.find();
      const wanted = needed & ~(next?.permissions ?? 0);
      if (next === undefined || wanted !== 0) return this.#missing(wanted);
      if (next.region !== first.region || next.origin !== first.origin) {
        throw new MemoryAccessError(
          `${counted(length, "byte")} from IOVA 0x${iova.toString(16)} are not contiguous in one memory region: ` +
            `another begins at 0x${found.end.toString(16)}`,
        );
      }
      found = next;
    }
    const head = first.region.start - first.region.origin;
    return first.region.view(Number(iova) - first.origin - head, length);
  }

  #missing(permissions: number): undefined {
    const { address } = this.#table;
    if (this.#miss(permissions) === Resolved.Miss) return undefined;
    throw new MemoryAccessError(
      `memory at IOVA 0x${address.toString(16)} may not be ${nameOf(permissions)}: the front-end does not allow it`,
    );
  }

  /** Requests the address that was looked up, unless the front-end keeps refusing it. */
  #miss(permissions: number): Resolved {
    const { address } = this.#table;
    if (address < 0 || address >= Number(NUMBER_LIMIT)) return Resolved.Fault;
    return this.#misses.want(address, permissions) ? Resolved.Miss : Resolved.Fault;
  }

  /** Drops the translations that lead to removed regions; the ones in use are requested again. */
  #forgetOldRegions(): void {
    if (this.#regionsSeen === this.#regions.generation) return;
    this.#regionsSeen = this.#regions.generation;
    this.#table.clear();
  }

  /** Finds the memory of a range, which may continue in a region with adjoining user addresses. */
  #locateAll(iova: bigint, size: bigint, userAddress: bigint, permissions: number): Translation[] {
    const all: Translation[] = [];
    for (let done = 0n; done < size;) {
      const region = this.#regions.regionAt(userAddress + done);
      if (region === undefined) {
        throw new MemoryAccessError(
          `VHOST_USER_IOTLB_MSG: user address 0x${userAddress.toString(16)} + ${counted(size, "byte")} is outside of ` +
            `the memory regions: nothing is at 0x${(userAddress + done).toString(16)}`,
        );
      }
      const { description } = region;
      const offset = userAddress + done - description.userAddress;
      const left = description.size - offset;
      const take = left < size - done ? left : size - done;
      const start = Number(iova + done);
      const head = region.start - region.origin;
      const origin = start - Number(offset) - head;
      all.push({ start, end: start + Number(take), origin, region, permissions });
      done += take;
    }
    return all;
  }
}

function expectRange(iova: bigint, size: bigint, userAddress: bigint, permissions: number): void {
  if (size === 0n || iova + size > NUMBER_LIMIT || userAddress + size > END) {
    throw new MemoryAccessError(
      `VHOST_USER_IOTLB_MSG: expected a size above 0, IOVA + size up to 2^53 and user address + size up to 2^64, ` +
        `got IOVA 0x${iova.toString(16)}, user address 0x${userAddress.toString(16)}, ${counted(size, "byte")}`,
    );
  }
  if (permissions < Read || permissions > IotlbPermission.ReadWrite) {
    throw new MemoryAccessError(
      `VHOST_USER_IOTLB_MSG: expected permissions of 1 (read) to 3 (both) in an update, got ${permissions}`,
    );
  }
}

function nameOf(permissions: number): string {
  return permissions === Read ? "read" : "written";
}
