/** The block device in a worker: what the thread of a ring imports. */
import type { RingServer } from "../../runtime/index.ts";
import type { BlockWorkerData } from "./device.ts";
import { BlockServer } from "./device-server.ts";
import { BlockStorage } from "./storage.ts";

export function createRingServer(data: unknown): RingServer {
  const { fd, size, id, writeThrough, ...options } = data as BlockWorkerData;
  const server = new BlockServer({ storage: BlockStorage.borrow(fd, size, options), id });
  server.writeThrough = writeThrough;
  return server;
}
