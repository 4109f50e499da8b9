import { counted, EnvironmentError, MemoryAccessError, UsageError } from "../base/index.ts";
import { SharedMemory } from "../os/index.ts";
import type { MemoryRegion } from "../protocol/index.ts";
import { GuestLayout } from "./guest-layout.ts";
import { Region } from "./region.ts";
import { type MemoryView, WINDOW_SIZE } from "./window.ts";

/** Memory of the client that both sides can reach. */
export interface GuestBuffer {
  /** The address for descriptors: the guest address, or behind an IOMMU the I/O virtual one. */
  readonly address: number;
  readonly guestAddress: number;
  readonly userAddress: bigint;
  /** The address for SET_VRING_ADDR: the user address, or behind an IOMMU the I/O virtual one. */
  readonly ringAddress: bigint;
  readonly view: MemoryView;
  /** The buffer's bytes in this process. */
  readonly bytes: Uint8Array;
}

/** The layout of a client's memory. */
export interface GuestMemoryOptions {
  /** Total size in bytes; rounded up so that every region is a whole number of pages. */
  readonly size: number;
  /** Number of regions that the memory is split into, each with a memfd of its own. Default 1. */
  readonly regions?: number | undefined;
  /**
   * Bytes of each memfd in front of its region, a multiple of 64 but not necessarily of a page.
   * Default 0.
   */
  readonly mmapOffset?: number | undefined;
  /** Takes huge pages, of the system's default size (`MFD_HUGETLB`). Default false. */
  readonly hugePages?: boolean | undefined;
}

/** A region, its first I/O virtual address, and how many of its bytes were handed out. */
interface Part {
  readonly region: Region;
  readonly iova: number;
  used: number;
}

const PAGE_SIZE = 4096;
/** The strictest alignment of a buffer, in guest addresses and in this process alike. */
const MMAP_OFFSET_STEP = 64;

/**
 * The memory that a client shares with a back-end: sealed memfds, and buffers handed out of them.
 *
 * @example
 * ```ts
 * import { GuestMemory } from "vhost-user";
 *
 * const memory = new GuestMemory({ size: 16 << 20, regions: 2 });
 * const buffer = memory.allocate(4096, 512);
 * buffer.bytes.fill(0xff);
 * console.log(buffer.guestAddress);
 * memory.close();
 * ```
 */
export class GuestMemory {
  readonly #parts: Part[] = [];
  readonly #layout = new GuestLayout();
  readonly #mmapOffset: number;
  readonly #hugePages: boolean;
  readonly #iommu: boolean;

  /**
   * @param iommu VIRTIO_F_ACCESS_PLATFORM: descriptors and SET_VRING_ADDR carry I/O virtual addresses
   * @throws {UsageError | EnvironmentError} no such layout; too few huge pages
   */
  constructor(options: GuestMemoryOptions, iommu = false) {
    const { size, regions = 1, mmapOffset = 0, hugePages = false } = options;
    if (!(size > 0 && size < Infinity) || !Number.isSafeInteger(regions) || regions < 1) {
      throw new UsageError(
        `${counted(size, "byte")} in ${regions} regions is not a memory layout: size and regions must be above 0`,
      );
    }
    if (!(mmapOffset >= 0) || mmapOffset % MMAP_OFFSET_STEP !== 0) {
      throw new UsageError(
        `mmap offset ${mmapOffset} is not a multiple of ${MMAP_OFFSET_STEP} bytes`,
      );
    }
    this.#mmapOffset = mmapOffset;
    this.#hugePages = hugePages;
    this.#iommu = iommu;
    try {
      for (let i = 0; i < regions; i += 1) this.add(size / regions);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * Makes user addresses equal to guest addresses (VHOST_USER_PROTOCOL_F_GPA_ADDRESSES was
   * negotiated). To be called before memory is shared or allocated.
   */
  useGuestAddresses(): void {
    this.#layout.gpa = true;
    for (const { region } of this.#parts) {
      const { description } = region;
      region.description = { ...description, userAddress: description.guestAddress };
    }
  }

  /** The regions, each with its descriptor, as SET_MEM_TABLE sends them. */
  get regions(): readonly Region[] {
    return this.#parts.map(({ region }) => region);
  }

  /**
   * Adds a region. The caller shares it with the back-end.
   *
   * @param size bytes; rounded up to whole pages
   * @throws {EnvironmentError} too few huge pages
   */
  add(size: number): Region {
    const offset = this.#mmapOffset;
    const memory = this.#file(size);
    // Whole pages, as user and guest addresses of regions adjoin.
    const pages = Math.floor((memory.size - offset) / PAGE_SIZE);
    const { description, iova } = this.#layout.place(pages * PAGE_SIZE, offset);
    // The region owns the only descriptor: a thousand clients have few to spare.
    const region = this.#map(description, memory);
    this.#parts.push({ region, iova, used: 0 });
    return region;
  }

  #map(description: MemoryRegion, { fd, size }: SharedMemory): Region {
    try {
      return new Region(description, fd);
    } catch (cause) {
      if (!this.#hugePages) throw cause;
      throw new EnvironmentError(
        `the system has fewer free huge pages than the ${counted(size, "byte")} of this memory; ` +
          `run as root: sysctl vm.nr_hugepages=N (see HugePages_Free and Hugepagesize in /proc/meminfo)`,
        { cause },
      );
    }
  }

  /**
   * Creates regions at the same addresses, over empty files of their own. The caller closes them.
   *
   * @throws {EnvironmentError} too few huge pages
   */
  twins(): Region[] {
    const twins: Region[] = [];
    try {
      for (const { description } of this.regions) {
        twins.push(this.#map(description, this.#file(Number(description.size))));
      }
      return twins;
    } catch (error) {
      for (const twin of twins) twin.close();
      throw error;
    }
  }

  /**
   * Replaces the files behind the regions by those of `twins`, at the same addresses: existing
   * buffers see the new contents.
   */
  moveTo(twins: readonly Region[]): void {
    this.#parts.forEach(({ region }, i) => {
      const twin = twins[i];
      if (twin !== undefined) region.moveTo(twin.fd.duplicate());
    });
  }

  /** Creates the file of a region, its offset included. */
  #file(size: number): SharedMemory {
    const name = "vhost-user-client";
    const bytes = size + this.#mmapOffset;
    if (this.#hugePages) return SharedMemory.createHuge(name, bytes);
    return SharedMemory.create(name, Math.ceil(bytes / PAGE_SIZE) * PAGE_SIZE);
  }

  /**
   * Closes one region. Buffers in it must no longer be used. Returns false if the region is not
   * part of this memory.
   */
  remove(region: Region): boolean {
    const index = this.#parts.findIndex((part) => part.region === region);
    if (index < 0) return false;
    this.#parts.splice(index, 1);
    region.close();
    return true;
  }

  /**
   * Returns the region at an I/O virtual address, and the I/O virtual address of its first byte.
   */
  atIova(iova: bigint): { readonly region: Region; readonly iova: bigint } | undefined {
    const part = this.#parts.find((each) => {
      const start = BigInt(each.iova);
      return iova >= start && iova < start + each.region.description.size;
    });
    return part && { region: part.region, iova: BigInt(part.iova) };
  }

  /**
   * Allocates `length` zeroed bytes. Buffers are freed with the memory as a whole.
   *
   * @param length bytes, up to 1 GiB
   * @param alignment bytes, a power of two
   * @throws {MemoryAccessError} no region has that much left
   */
  allocate(length: number, alignment = 16): GuestBuffer {
    if (!(length > 0 && length <= WINDOW_SIZE) || !Number.isInteger(length)) {
      throw new UsageError(
        `a buffer must have 1 to ${WINDOW_SIZE} bytes, ${length} is not possible`,
      );
    }
    for (const part of this.#parts) {
      const { region } = part;
      let offset = Math.ceil(part.used / alignment) * alignment;
      // Keep each buffer inside one window, where it is contiguous.
      const head = region.start - region.origin;
      const [first, last] = [head + offset, head + offset + length - 1];
      if (Math.floor(first / WINDOW_SIZE) !== Math.floor(last / WINDOW_SIZE)) {
        const border = Math.ceil(first / WINDOW_SIZE) * WINDOW_SIZE - head;
        offset = Math.ceil(border / alignment) * alignment;
      }
      if (offset + length > region.end - region.start) continue;
      part.used = offset + length;
      const view = region.view(offset, length);
      const guestAddress = region.start + offset;
      const userAddress = region.description.userAddress + BigInt(offset);
      const address = this.#iommu ? part.iova + offset : guestAddress;
      return {
        address,
        guestAddress,
        userAddress,
        ringAddress: this.#iommu ? BigInt(address) : userAddress,
        view,
        bytes: view.window.bytes.subarray(view.offset, view.offset + length),
      };
    }
    throw new MemoryAccessError(
      `no region of the client's memory has ${counted(length, "byte")} left; ` +
        `give the client more memory`,
    );
  }

  close(): void {
    for (const { region } of this.#parts) region.close();
    this.#parts.length = 0;
  }
}
