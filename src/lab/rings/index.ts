/**
 * rings: follows the rings of traced sessions in shared memory. {@link RingFollower} duplicates the
 * descriptors that pass, reads with `pread`, and reports events of chains.
 */
export { RingFollower, type RingFollowerOptions } from "./ring-follower.ts";
