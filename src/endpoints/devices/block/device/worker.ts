/** The block device in a worker: what the thread of a ring imports. */
import type { RingServer } from "../../../../core/runtime/index.ts";
import type { BlockWorkerData } from "./device.ts";
import { BlockServer } from "./server.ts";
import { BlockStorage } from "../../../storage/index.ts";

export function createRingServer(data: unknown): RingServer {
  const { fd, size, id, engine, writeThrough, features, counter, ...options } =
    data as BlockWorkerData;
  const storage = BlockStorage.borrow(fd, size, options);
  const server = new BlockServer({
    storage,
    id,
    engine,
    onEventLoop: false,
    counter: new Float64Array(counter),
  });
  server.writeThrough = writeThrough;
  server.features = features;
  return server;
}
