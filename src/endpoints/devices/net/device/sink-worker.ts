/** The network device that takes everything, in a worker: what the thread of a ring imports. */
import type { RingServer } from "../../../../core/runtime/index.ts";
import { NetSinkServer, type SinkWorkerData } from "./sink.ts";

export function createRingServer(data: unknown): RingServer {
  return new NetSinkServer(data as SinkWorkerData);
}
