import { MemoryAccessError, UsageError } from "../base/index.ts";
import { SharedMemory } from "../os/index.ts";
import type { MemoryRegion } from "../protocol/index.ts";
import { Region } from "./region.ts";
import { type MemoryView, WINDOW_SIZE } from "./window.ts";

/** Memory of the client that both sides can reach. */
export interface GuestBuffer {
  /** As it stands in descriptors. */
  readonly guestAddress: number;
  /** As it stands in SET_VRING_ADDR. */
  readonly userAddress: bigint;
  readonly view: MemoryView;
  /** The buffer's bytes in this process. */
  readonly bytes: Uint8Array;
}

/** How the client's memory is laid out. */
export interface GuestMemoryOptions {
  /** Bytes in all; rounded up so that every region is a whole number of pages. */
  readonly size: number;
  /** Number of regions that the memory is split into, each with a memfd of its own. Default 1. */
  readonly regions?: number;
}

// Guest and user addresses differ on purpose, and neither is an address of this process: a peer
// that mistakes one for the other fails at once instead of working by accident.
const GUEST_BASE = 0x1_0000_0000;
const USER_BASE = 0x7f00_0000_0000n;
const PAGE_SIZE = 4096;

/** The memory that a client shares with a back-end: sealed memfds, and buffers handed out of them. */
export class GuestMemory {
  readonly #parts: { region: Region; used: number }[] = [];

  constructor({ size, regions = 1 }: GuestMemoryOptions) {
    if (!(size > 0 && size < Infinity) || !Number.isSafeInteger(regions) || regions < 1) {
      throw new UsageError(
        `expected a memory size and a number of regions above 0, got ${size} bytes in ${regions}`,
      );
    }
    const partSize = Math.ceil(size / regions / PAGE_SIZE) * PAGE_SIZE;
    try {
      for (let i = 0; i < regions; i += 1) {
        const offset = BigInt(i) * BigInt(partSize);
        const description: MemoryRegion = {
          guestAddress: BigInt(GUEST_BASE) + offset,
          size: BigInt(partSize),
          userAddress: USER_BASE + offset,
          mmapOffset: 0n,
        };
        this.#parts.push({ region: share(description), used: 0 });
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** What SET_MEM_TABLE tells, and the descriptor that goes with each region. */
  get regions(): readonly Region[] {
    return this.#parts.map(({ region }) => region);
  }

  /**
   * Hands out `length` zeroed bytes. What was handed out is freed with the memory as a whole.
   *
   * @param length bytes, up to 1 GiB
   * @param alignment bytes, a power of two
   * @throws {MemoryAccessError} no region has that much left
   */
  allocate(length: number, alignment = 16): GuestBuffer {
    if (!(length > 0 && length <= WINDOW_SIZE) || !Number.isInteger(length)) {
      throw new UsageError(`expected a buffer of 1 to ${WINDOW_SIZE} bytes, got ${length}`);
    }
    for (const part of this.#parts) {
      const { region } = part;
      let offset = Math.ceil(part.used / alignment) * alignment;
      // Keep each buffer inside one window, where it is contiguous.
      if (Math.floor(offset / WINDOW_SIZE) !== Math.floor((offset + length - 1) / WINDOW_SIZE)) {
        offset = Math.ceil(offset / WINDOW_SIZE) * WINDOW_SIZE;
      }
      if (offset + length > region.end - region.start) continue;
      part.used = offset + length;
      const view = region.view(offset, length);
      return {
        guestAddress: region.start + offset,
        userAddress: region.description.userAddress + BigInt(offset),
        view,
        bytes: view.window.bytes.subarray(view.offset, view.offset + length),
      };
    }
    throw new MemoryAccessError(
      `expected ${length} free bytes of client memory in one region, none has that much left; ` +
        `give the client more memory`,
    );
  }

  close(): void {
    for (const { region } of this.#parts) region.close();
    this.#parts.length = 0;
  }
}

/** The region owns the memory's only descriptor: a thousand clients have few to spare. */
function share(description: MemoryRegion): Region {
  return new Region(
    description,
    SharedMemory.create("vhost-user-client", Number(description.size)).fd,
  );
}
