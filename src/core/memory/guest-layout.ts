import type { MemoryRegion } from "../protocol/index.ts";

// Guest, user and I/O virtual addresses differ on purpose, and none is an address of this process:
// a peer that mistakes one for another fails at once instead of working by accident. I/O virtual
// addresses descend while guest and user addresses ascend, so regions that are contiguous in I/O
// virtual addresses are contiguous in no other address space.
const GUEST_BASE = 0x1_0000_0000;
const USER_BASE = 0x7f00_0000_0000n;
const IOVA_TOP = 2 ** 45;
const IOVA_GAP = 0x1_0000;

/** The addresses of one region of a client's memory. */
export interface RegionPlace {
  readonly description: MemoryRegion;
  /** The first I/O virtual address. */
  readonly iova: number;
}

/**
 * Assigns the addresses of a client's regions. No address is assigned twice, even after its region
 * was removed.
 */
export class GuestLayout {
  /** True if user addresses equal guest addresses (VHOST_USER_PROTOCOL_F_GPA_ADDRESSES). */
  gpa = false;
  #next = 0;
  #iova = IOVA_TOP;

  /**
   * @param size bytes, a multiple of the page size
   * @param mmapOffset bytes of the file in front of the region
   */
  place(size: number, mmapOffset: number): RegionPlace {
    const offset = this.#next;
    this.#next += size;
    this.#iova -= size + IOVA_GAP;
    const guestAddress = BigInt(GUEST_BASE + offset);
    return {
      description: {
        guestAddress,
        size: BigInt(size),
        userAddress: this.gpa ? guestAddress : USER_BASE + BigInt(offset),
        mmapOffset: BigInt(mmapOffset),
      },
      iova: this.#iova,
    };
  }
}
