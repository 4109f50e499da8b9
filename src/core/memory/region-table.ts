import { MemoryAccessError, StateError } from "../base/index.ts";
import { brokenMappings, OwnedFd } from "../os/index.ts";
import type { MemoryRegion } from "../protocol/index.ts";
import { type AddressSpace, Resolved } from "./address-space.ts";
import { type MemoryHandle, Region } from "./region.ts";
import { DirtyLog } from "./dirty-log.ts";
import type { SpanList } from "./span-list.ts";
import { type MemoryView, type Window, WINDOW_SIZE } from "./window.ts";

/**
 * The regions that a front-end shares, looked up by guest address (data path) and by user address
 * (ring set-up). Owns them.
 */
export class RegionTable implements AddressSpace {
  generation = 0;
  /** Records the pages that the device writes. It is inactive before SET_LOG_BASE. */
  readonly log = new DirtyLog();
  /** Sorted by guest address, and the same by user address. */
  #regions: Region[] = [];
  #byUser: Region[] = [];
  /**
   * Index of the region that was found last, if it still exists: neighbouring buffers mostly share
   * one.
   */
  #last = 0;
  /**
   * The window that was found twice in a row, if it still exists: its guest addresses with one
   * upper half, from `#nearLow` on, and their offset in it. The look-up compares small integers
   * only.
   */
  #near: Window | undefined;
  #nearHigh = 0;
  #nearLow = 0;
  #nearLength = 0;
  #nearOffset = 0;
  /** Window index of the last look-up, in the region {@link #last}. */
  #lastIndex = -1;
  /** The address to look up: a parameter that needs more than 31 bits would be allocated. */
  #address = 0.5;
  #closed = false;
  /**
   * The cached result of {@link broken}, and the value of {@link brokenMappings} that it belongs
   * to.
   */
  #broken = false;
  #breaks = -1;

  get regions(): readonly Region[] {
    return this.#regions;
  }

  /**
   * Returns whether a peer truncated a region's file. It checks the regions only after a mapping of
   * this process broke, or the table changed.
   */
  get broken(): boolean {
    const breaks = brokenMappings();
    if (breaks !== this.#breaks) {
      this.#breaks = breaks;
      this.#broken = this.#regions.some((region) => region.broken);
    }
    return this.#broken;
  }

  /**
   * Replaces all regions (SET_MEM_TABLE).
   *
   * @throws {MemoryAccessError} two regions overlap
   * @throws {StateError} the table was closed
   *
   * After an error the table is unchanged and the new regions are closed.
   */
  replace(regions: readonly Region[]): void {
    const old = this.#regions;
    this.#take(regions, regions);
    for (const region of old) region.close();
  }

  /**
   * Maps the regions of another thread's table here; they replace all earlier ones. Their
   * descriptors stay with that table.
   *
   * @throws {MemoryAccessError} a region cannot be mapped
   */
  borrow(handles: readonly MemoryHandle[]): void {
    const regions: Region[] = [];
    try {
      for (const { description, fd } of handles) {
        regions.push(new Region(description, new OwnedFd(fd), true));
      }
    } catch (error) {
      for (const region of regions) region.close();
      throw error;
    }
    this.replace(regions);
  }

  /**
   * Adds a region (ADD_MEM_REG).
   *
   * @throws {MemoryAccessError} it overlaps another one
   * @throws {StateError} the table was closed
   */
  add(region: Region): void {
    this.#take([...this.#regions, region], [region]);
  }

  /**
   * Removes the region with this guest address, user address and size (REM_MEM_REG). Returns false
   * if there is none.
   */
  remove({ guestAddress, userAddress, size }: MemoryRegion): boolean {
    const region = this.regionAt(userAddress);
    const known = region?.description;
    if (region === undefined || known?.userAddress !== userAddress) return false;
    if (known.guestAddress !== guestAddress || known.size !== size) return false;
    this.#regions = this.#regions.filter((other) => other !== region);
    this.#byUser = this.#byUser.filter((other) => other !== region);
    this.#changed();
    region.close();
    return true;
  }

  resolve(low: number, high: number, length: number, _write: boolean, out: SpanList): Resolved {
    const ahead = (low - this.#nearLow) >>> 0;
    if (
      this.#near !== undefined &&
      (high | 0) === this.#nearHigh &&
      ahead < this.#nearLength &&
      length <= this.#nearLength - ahead &&
      length > 0
    ) {
      return out.push(this.#near, this.#nearOffset + ahead, length) ? Resolved.Ok : Resolved.Fault;
    }
    return this.#search(low, high, length, out);
  }

  #search(low: number, high: number, length: number, out: SpanList): Resolved {
    // Addresses from 2^53 on are rounded, and negative from 2^63 on: no region is there.
    this.#address = (high | 0) * 2 ** 32 + (low >>> 0);
    // A buffer may run from one region into the next where their guest addresses meet.
    while (length > 0) {
      const region = this.#find();
      if (region === undefined) return Resolved.Fault;
      const take = Math.min(length, region.end - this.#address);
      const at = this.#address - region.origin;
      const index = Math.floor(at / WINDOW_SIZE);
      if (!region.push(index, at - index * WINDOW_SIZE, take, out)) return Resolved.Fault;
      if (index === this.#lastIndex) this.#keepNear(region, index);
      this.#lastIndex = index;
      this.#address += take;
      length -= take;
    }
    return Resolved.Ok;
  }

  /**
   * Returns contiguous memory at a front-end user address; undefined if no single region covers it.
   */
  locate(userAddress: bigint, length: number): MemoryView | undefined {
    const region = this.regionAt(userAddress);
    if (region === undefined) return undefined;
    const offset = userAddress - region.description.userAddress;
    if (offset + BigInt(length) > region.description.size) return undefined;
    return region.view(Number(offset), length);
  }

  /**
   * Returns the region that covers a front-end user address. With GPA_ADDRESSES the user addresses
   * of regions and of look-ups are guest addresses.
   */
  regionAt(userAddress: bigint): Region | undefined {
    let low = 0;
    let high = this.#byUser.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const first = this.#byUser[middle]?.description.userAddress ?? 0n;
      if (first <= userAddress) low = middle + 1;
      else high = middle;
    }
    const region = this.#byUser[low - 1];
    if (region === undefined) return undefined;
    const { description } = region;
    return userAddress < description.userAddress + description.size ? region : undefined;
  }

  /** Closes all regions and accepts no more. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.replace([]);
    this.log.close();
    this.#closed = true;
  }

  #take(all: readonly Region[], added: readonly Region[]): void {
    try {
      if (this.#closed) throw new StateError("the session that this memory belongs to has ended");
      const sorted = all.toSorted((a, b) => a.start - b.start);
      const byUser = all.toSorted((a, b) =>
        a.description.userAddress < b.description.userAddress ? -1 : 1,
      );
      checkOverlaps(sorted, byUser);
      this.#regions = sorted;
      for (const region of added) region.logTo(this.log);
      this.#byUser = byUser;
      this.#changed();
    } catch (error) {
      for (const region of added) region.close();
      throw error;
    }
  }

  #keepNear(region: Region, index: number): void {
    const origin = region.origin + index * WINDOW_SIZE;
    const first = Math.max(region.start, origin);
    const end = Math.min(region.end, origin + WINDOW_SIZE);
    const high = Math.floor(first / 2 ** 32);
    const low = first - high * 2 ** 32;
    this.#near = region.windowAt(index);
    this.#nearHigh = high;
    this.#nearLow = low | 0;
    this.#nearLength = Math.min(end - first, 2 ** 32 - low);
    this.#nearOffset = first - origin;
  }

  /** Finds the region of `#address`. */
  #find(): Region | undefined {
    const address = this.#address;
    const last = this.#regions[this.#last];
    if (last !== undefined && address >= last.start && address < last.end) return last;
    let low = 0;
    let high = this.#regions.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const region = this.#regions[middle];
      if (region === undefined) return undefined;
      if (address < region.start) high = middle - 1;
      else if (address >= region.end) low = middle + 1;
      else {
        this.#last = middle;
        this.#lastIndex = -1;
        return region;
      }
    }
    return undefined;
  }

  #changed(): void {
    this.generation += 1;
    this.#breaks = -1;
    this.#near = undefined;
    this.#lastIndex = -1;
  }
}

/** Refuses overlaps in guest and in user addresses, as the specification forbids both. */
function checkOverlaps(byGuest: readonly Region[], byUser: readonly Region[]): void {
  for (let i = 1; i < byGuest.length; i += 1) {
    const [before, after] = [byGuest[i - 1], byGuest[i]];
    if (before && after && before.end > after.start) {
      throw new MemoryAccessError(
        `memory regions overlap in guest addresses: 0x${before.start.toString(16)}-0x${before.end.toString(16)} ` +
          `and 0x${after.start.toString(16)}-0x${after.end.toString(16)}`,
      );
    }
    const [lower, upper] = [byUser[i - 1]?.description, byUser[i]?.description];
    if (lower && upper && lower.userAddress + lower.size > upper.userAddress) {
      throw new MemoryAccessError(
        `memory regions overlap in user addresses: 0x${lower.userAddress.toString(16)} + 0x${lower.size.toString(16)} ` +
          `and 0x${upper.userAddress.toString(16)}`,
      );
    }
  }
}
