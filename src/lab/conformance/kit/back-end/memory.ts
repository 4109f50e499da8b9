import { counted, MemoryAccessError } from "../../../../core/base/index.ts";
import { type GuestBuffer, Window } from "../../../../core/memory/index.ts";
import { Mapping, type OwnedFd, SharedMemory } from "../../../../core/os/index.ts";
import type { MemoryRegion, MemoryTable } from "../../../../core/protocol/index.ts";

export const PAGE = 4096;
/** The value of bytes that were not written. */
export const POISON = 0xa5;

// Neither address is one of this process, they differ, and so do the distances between regions: a
// target that mistakes one for another fails at once.
const GUEST_BASE = 0x1_0000_0000;
const GUEST_STEP = 0x4000_0000;
const USER_BASE = 0x7f00_0000_0000n;
const USER_STEP = 0x1_0000_0000n;
/** Distance of an I/O virtual address from the guest address of the same byte. */
const IOVA_SHIFT = 2 ** 40;

/** The layout of the regions. */
export interface SuiteMemoryOptions {
  /** Default 1. */
  readonly regions?: number;
  /** Bytes of each region; whole pages. Default 1 MiB. */
  readonly size?: number;
  /** Makes user addresses equal to guest addresses, as GPA_ADDRESSES demands. Default false. */
  readonly guestAddresses?: boolean;
  /** Bytes of the first file in front of its region, further ones have a page more; whole pages. */
  readonly offset?: number;
  readonly guestBase?: number;
  readonly userBase?: bigint;
  /**
   * Behind an IOMMU, rings and descriptors carry I/O virtual addresses, and each allocation
   * begins a page, so that a translation identifies its allocation.
   */
  readonly iommu?: boolean;
  /** Allocates from one region after another instead of from the first with room. */
  readonly spread?: boolean;
  /**
   * Bytes of which the address of every {@link SuiteMemory.data} is a multiple. Default 4096: what a
   * device passes to read(2) of a file that is open with O_DIRECT has to be aligned.
   */
  readonly dataAlignment?: number;
}

/** One region with guard pages in the file before and behind it. */
export interface SuiteRegion {
  readonly description: MemoryRegion;
  readonly fd: OwnedFd;
  /** The whole file, guards included. */
  readonly window: Window;
  used: number;
  /** The gaps between allocations. */
  readonly gaps: { readonly from: number; readonly to: number }[];
}

/**
 * Memory that the suite shares: memfds with guards before and behind what is announced, offsets into
 * the file that are not zero, and poison in every byte that is not allocated.
 */
export class SuiteMemory {
  readonly regions: readonly SuiteRegion[];
  readonly #spread: boolean;
  readonly #iommu: boolean;
  readonly #dataAlignment: number;
  #turn = 0;

  constructor(options: SuiteMemoryOptions = {}) {
    const { regions = 1, spread = false, iommu = false, dataAlignment = PAGE } = options;
    const made: SuiteRegion[] = [];
    this.regions = made;
    this.#spread = spread;
    this.#iommu = iommu;
    this.#dataAlignment = dataAlignment;
    try {
      for (let i = 0; i < regions; i += 1) made.push(makeRegion(i, options));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The payload of SET_MEM_TABLE. */
  get table(): MemoryTable {
    return { regions: this.regions.map(({ description }) => description) };
  }

  /** The descriptors of SET_MEM_TABLE. */
  get fds(): OwnedFd[] {
    return this.regions.map(({ fd }) => fd);
  }

  /**
   * Zeroed bytes of the first region that has them.
   *
   * @param region of this region only
   * @throws {MemoryAccessError} there are none: the check asks for too much
   */
  allocate(length: number, alignment = 16, region?: number): GuestBuffer {
    const only = region ?? (this.#spread ? this.#turn++ % this.regions.length : undefined);
    const from = only === undefined ? this.regions : this.regions.slice(only, only + 1);
    const step = this.#iommu ? Math.max(alignment, PAGE) : alignment;
    for (const part of from) {
      const { guestAddress, userAddress, mmapOffset, size } = part.description;
      const at = Math.ceil(part.used / step) * step;
      if (at + length > Number(size)) continue;
      if (at > part.used) part.gaps.push({ from: part.used, to: at });
      part.used = at + length;
      const offset = Number(mmapOffset) + at;
      const bytes = part.window.bytes.subarray(offset, offset + length);
      bytes.fill(0);
      const guest = Number(guestAddress) + at;
      const user = userAddress + BigInt(at);
      return {
        address: this.#iommu ? guest + IOVA_SHIFT : guest,
        guestAddress: guest,
        userAddress: user,
        ringAddress: this.#iommu ? BigInt(guest + IOVA_SHIFT) : user,
        view: { window: part.window, offset, length },
        bytes,
      };
    }
    throw new MemoryAccessError(
      `the check's memory has no ${counted(length, "byte")} left in one region`,
    );
  }

  /** The user address behind an I/O virtual one; undefined if nothing is there. */
  userAt(iova: number): bigint | undefined {
    const guest = BigInt(iova - IOVA_SHIFT);
    const found = this.table.regions.find(
      ({ guestAddress, size }) => guest >= guestAddress && guest < guestAddress + size,
    );
    return found && found.userAddress + (guest - found.guestAddress);
  }

  /** Like {@link allocate}, full of poison: for the target to write to. */
  poisoned(length: number, alignment = 16, region?: number): GuestBuffer {
    const buffer = this.allocate(length, alignment, region);
    buffer.bytes.fill(POISON);
    return buffer;
  }

  /** Allocates a buffer with these contents. */
  holding(bytes: Uint8Array, alignment?: number): GuestBuffer {
    const buffer = this.allocate(bytes.length, alignment);
    buffer.bytes.set(bytes);
    return buffer;
  }

  /** Like {@link poisoned}, for data that a device may pass on as it is; see `dataAlignment`. */
  data(length: number): GuestBuffer {
    return this.poisoned(length, this.#dataAlignment);
  }

  /** Like {@link holding}, for data that a device may pass on as it is; see `dataAlignment`. */
  dataHolding(bytes: Uint8Array): GuestBuffer {
    return this.holding(bytes, this.#dataAlignment);
  }

  /** Returns a function that frees all later allocations. They must no longer be in use. */
  mark(): () => void {
    const used = this.regions.map((region) => region.used);
    return () => this.regions.forEach((region, i) => (region.used = used[i] ?? 0));
  }

  /** The current contents, guards included. */
  get content(): Uint8Array {
    return Buffer.concat(this.regions.map(({ window }) => window.bytes));
  }

  /** Returns where bytes outside of all allocations were written; undefined if nowhere. */
  damage(): string | undefined {
    for (const [index, { description, window, used, gaps }] of this.regions.entries()) {
      const start = Number(description.mmapOffset);
      const end = start + Number(description.size);
      const poisoned = (from: number, to: number): number =>
        window.bytes.subarray(from, to).findIndex((byte) => byte !== POISON);
      for (const [from, to, where] of [
        [0, start, "in front of"],
        [start + used, end, "in an unused part of"],
        [end, window.bytes.length, "behind"],
        ...gaps.map(({ from, to }) => [start + from, start + to, "between buffers of"] as const),
      ] as const) {
        const at = poisoned(from, to);
        if (at >= 0) return `file offset ${from + at}, ${where} region ${index}`;
      }
    }
    return undefined;
  }

  /** Releases everything that this object owns. Idempotent. */
  close(): void {
    for (const { window, fd } of this.regions) {
      window.mapping.unmap();
      fd.close();
    }
  }
}

function makeRegion(index: number, options: SuiteMemoryOptions): SuiteRegion {
  const { size = 1 << 20, guestAddresses = false, offset = PAGE } = options;
  const { guestBase = GUEST_BASE, userBase = USER_BASE } = options;
  const mmapOffset = offset + PAGE * index;
  const length = mmapOffset + size + PAGE;
  const { fd } = SharedMemory.create("vhost-user-conform", length);
  try {
    const window = new Window(Mapping.map(fd.fd, { offset: 0, length, writable: true }));
    window.bytes.fill(POISON);
    const guestAddress = BigInt(guestBase + index * GUEST_STEP);
    const description: MemoryRegion = {
      guestAddress,
      size: BigInt(size),
      userAddress: guestAddresses ? guestAddress : userBase + BigInt(index) * USER_STEP,
      mmapOffset: BigInt(mmapOffset),
    };
    return { description, fd, window, used: 0, gaps: [] };
  } catch (error) {
    fd.close();
    throw error;
  }
}
