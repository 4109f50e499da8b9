/** storage: what a block device keeps its sectors in, an image file or memory. */
export { BlockStorage } from "./image/storage.ts";
