import type { QueueFault } from "./types.ts";

/** The fault of a peer that truncated the memory of a ring or of its buffers. */
export const MEMORY_GONE: QueueFault = {
  reason: "expected shared memory to stay, but the file behind it was truncated or has no room",
  section: "2.7",
};
