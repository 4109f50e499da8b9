import type { QueueFault } from "./types.ts";

/** A ring's memory, or that of its buffers, was taken away by the peer. */
export const MEMORY_GONE: QueueFault = {
  reason: "expected shared memory to stay, but the file behind it was truncated or has no room",
  section: "2.7",
};
