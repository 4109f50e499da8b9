/** Arithmetic of free-running 16-bit ring indices (VIRTIO 2.7). */

/** Returns `a - b` modulo 2^16. */
export function u16Distance(a: number, b: number): number {
  return (a - b) & 0xffff;
}

/**
 * Returns whether the other side must be notified (VIRTIO 2.7.7.2 and 2.7.10). It asked for a
 * notification once the index passes `event`; the index went from `before` to `now` since the last
 * decision.
 */
export function needsEvent(event: number, now: number, before: number): boolean {
  return ((now - event - 1) & 0xffff) < ((now - before) & 0xffff);
}
