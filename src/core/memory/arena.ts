import { counted, MemoryAccessError } from "../base/index.ts";
import type { OwnedFd } from "../os/index.ts";
import type { GuestBuffer } from "./guest-memory.ts";
import type { MemoryHandle, Region } from "./region.ts";
import { RegionTable } from "./region-table.ts";

/** Allocates a driver's buffers. */
export interface BufferSource {
  /**
   * Hands out `length` zeroed bytes.
   *
   * @param alignment bytes, a power of two; default 16
   * @throws {MemoryAccessError} there is no room left
   */
  allocate(length: number, alignment?: number): GuestBuffer;
}

/** A buffer as another thread needs it: structured-clonable, with borrowed descriptors. */
export interface ArenaHandle {
  /** The region that the buffer is in. */
  readonly memory: readonly MemoryHandle[];
  /** The address of the buffer, for descriptors. */
  readonly address: number;
  readonly guestAddress: number;
  readonly userAddress: bigint;
  readonly ringAddress: bigint;
  /** Length in bytes. */
  readonly length: number;
}

/** Allocates buffers inside one large buffer: a thread's share of its client's memory. */
export class Arena implements BufferSource {
  readonly #buffer: GuestBuffer;
  #used = 0;

  constructor(buffer: GuestBuffer) {
    this.#buffer = buffer;
  }

  allocate(length: number, alignment = 16): GuestBuffer {
    const { address, guestAddress, userAddress, ringAddress, view, bytes } = this.#buffer;
    const misfit = guestAddress % alignment;
    const at = Math.ceil((this.#used + misfit) / alignment) * alignment - misfit;
    if (at + length > bytes.length) {
      throw new MemoryAccessError(
        `expected ${length} free bytes in a share of ${bytes.length}, got ${bytes.length - at}`,
      );
    }
    this.#used = at + length;
    return {
      address: address + at,
      guestAddress: guestAddress + at,
      userAddress: userAddress + BigInt(at),
      ringAddress: ringAddress + BigInt(at),
      view: { window: view.window, offset: view.offset + at, length },
      bytes: bytes.subarray(at, at + length),
    };
  }
}

/**
 * Makes a handle of a buffer for another thread. The descriptors are duplicates, which the caller
 * closes once the other thread has mapped the memory.
 *
 * @throws {SystemError} no descriptor is left
 */
export function lendArena(
  regions: readonly Region[],
  buffer: GuestBuffer,
): { handle: ArenaHandle; lent: OwnedFd } {
  const { address, guestAddress, userAddress, ringAddress, bytes } = buffer;
  const region = regions.find(({ start, end }) => start <= guestAddress && guestAddress < end);
  if (region === undefined) throw new MemoryAccessError("the buffer is in none of these regions");
  const lent = region.fd.duplicate();
  const memory = [{ fd: lent.fd, description: region.description }];
  const addresses = { address, guestAddress, userAddress, ringAddress };
  return { handle: { memory, ...addresses, length: bytes.length }, lent };
}

/**
 * Maps the buffer of another thread in this one. The memory is unmapped with the table.
 *
 * @throws {MemoryAccessError} it cannot be mapped
 */
export function openArena(handle: ArenaHandle): { arena: Arena; table: RegionTable } {
  const { memory, length, ...addresses } = handle;
  const { userAddress } = addresses;
  const table = new RegionTable();
  table.borrow(memory);
  const view = table.locate(userAddress, length);
  if (view === undefined) {
    table.close();
    throw new MemoryAccessError(
      `${counted(length, "byte")} at 0x${userAddress.toString(16)} are not in one region`,
    );
  }
  const bytes = view.window.bytes.subarray(view.offset, view.offset + length);
  return { arena: new Arena({ ...addresses, view, bytes }), table };
}
