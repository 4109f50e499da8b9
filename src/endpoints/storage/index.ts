/** storage: what a block device keeps its sectors in, an image file or memory, and how it is moved. */
export { chooseEngine, createEngine, type EngineChoice } from "./engine/choose.ts";
export type { EngineName, StorageEngine } from "./engine/engine.ts";
export { IoKind, IoRequest } from "./engine/io-request.ts";
export { BlockStorage } from "./image/storage.ts";
