/**
 * The remedy where an address is in no memory region that the front-end shared. Without `share=on`
 * QEMU leaves the regions of anonymous memory out of its memory table, and of a memfd it shares a
 * file that its guest does not write to.
 */
export const SHARE_HINT = "is share=on missing at the memory backend?";
