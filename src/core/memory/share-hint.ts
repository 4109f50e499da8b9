/**
 * The remedy for an address outside of the front-end's shared memory regions. Without `share=on`
 * QEMU leaves anonymous memory out of its memory table, and shares a memfd to which its guest does
 * not write.
 */
export const SHARE_HINT = "is share=on missing at the memory backend?";
