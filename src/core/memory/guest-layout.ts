import type { MemoryRegion } from "../protocol/index.ts";

// Guest, user and I/O virtual addresses differ on purpose, and none is an address of this process: a
// peer that mistakes one for another fails at once instead of working by accident. I/O virtual ones
// fall where the others rise, so that what adjoins there adjoins nowhere else.
const GUEST_BASE = 0x1_0000_0000;
const USER_BASE = 0x7f00_0000_0000n;
const IOVA_TOP = 2 ** 45;
const IOVA_GAP = 0x1_0000;

/** The place of the next region of a client's memory. */
export interface RegionPlace {
  readonly description: MemoryRegion;
  /** Its first I/O virtual address. */
  readonly iova: number;
}

/** Gives every region of a client its addresses. None is given twice, also after a region is gone. */
export class GuestLayout {
  /** User addresses are guest addresses. */
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
