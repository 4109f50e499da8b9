/**
 * `vhost-user/storage`: what a block device reads from and writes to.
 *
 * {@link BlockStorage} is an image file, a block device of the host, or memory.
 */
export { BlockStorage, type EngineName } from "../endpoints/storage/index.ts";
