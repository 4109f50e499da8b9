import { Deferred, DeviceError, StalledError, type WaitOptions } from "../../core/base/index.ts";
import {
  BLOCK_DRIVER_FEATURES,
  BlockQueue,
  BlockRequest,
  BlockStatus,
} from "../../endpoints/devices/block/index.ts";
import { Client } from "../../endpoints/frontend/index.ts";
import { FrontendRequest } from "../../core/protocol/index.ts";
import { connectSocket } from "../../core/transport/index.ts";

/** Phases of bringing a session up, in order. */
export const CONNECTION_PHASES = [
  "connect",
  "features",
  "protocolFeatures",
  "memoryTable",
  "firstKick",
  "firstCompletion",
] as const;
export type ConnectionPhase = (typeof CONNECTION_PHASES)[number];

/** Nanoseconds of each phase, and of all until the first request was handed over. */
export type ConnectionTiming = Readonly<Record<ConnectionPhase | "setUp", number>>;

const SECTOR = 512;
const MEMORY_BYTES = 256 << 10;
const QUEUE_SIZE = 16;

/** Requests whose round trip is a phase of its own. */
const TIMED: Partial<Record<number, ConnectionPhase>> = {
  [FrontendRequest.GetFeatures]: "features",
  [FrontendRequest.GetProtocolFeatures]: "protocolFeatures",
  [FrontendRequest.SetMemTable]: "memoryTable",
  [FrontendRequest.AddMemReg]: "memoryTable",
};

export interface ConnectionTimingOptions extends WaitOptions {
  /** How long the first request may take, milliseconds. Default: `timeoutMs`. */
  readonly stallMs?: number | undefined;
  /** Called once the features are negotiated; what it throws ends the session. */
  readonly onConnected?: ((client: Client) => void) | undefined;
}

/**
 * Opens a session to a block back-end, reads its first sector, closes, and returns how long each phase
 * took: `connect` the system call; `features`, `protocolFeatures`, `memoryTable` from the request to
 * its reply; `firstKick` from SET_VRING_NUM until the first request is handed over;
 * `firstCompletion` from there until it is completed; `setUp` from the first connect until the first
 * request is handed over.
 *
 * @throws what {@link Client.connect} throws; {@link DeviceError | StalledError}
 */
export async function timeConnection(
  path: string,
  options: ConnectionTimingOptions = {},
): Promise<ConnectionTiming> {
  const { signal, timeoutMs, stallMs = timeoutMs } = options;
  const timing: Record<ConnectionPhase | "setUp", number> = {
    connect: 0,
    features: 0,
    protocolFeatures: 0,
    memoryTable: 0,
    firstKick: 0,
    firstCompletion: 0,
    setUp: 0,
  };
  const begin = now();
  let since = begin;
  const socket = await connectSocket(path, options);
  timing.connect = now() - since;
  const client = await Client.over(socket, {
    ...options,
    deviceFeatures: BLOCK_DRIVER_FEATURES,
    memory: { size: MEMORY_BYTES },
    observe: (way, { header }) => {
      const phase = TIMED[header.request];
      if (way === "sent") since = now();
      // A request may be sent more than once in a session; the first one is meant.
      else if (phase !== undefined && timing[phase] === 0) timing[phase] = now() - since;
    },
  });
  try {
    options.onConnected?.(client);
    const done = new Deferred<void>({ signal, timeoutMs: stallMs }, () => {
      const idleMs = stallMs ?? 0;
      return new StalledError(idleMs, [{ queue: 0, inFlight: 1, idleMs }]);
    });
    const start = now();
    const queue = await BlockQueue.start(
      client,
      { index: 0, size: QUEUE_SIZE, depth: 1, transferBytes: SECTOR, ringMode: "event" },
      {
        done: (_slot, status) => {
          if (status === BlockStatus.Ok) done.resolve();
          else
            done.reject(new DeviceError(status, `reading sector 0: the device answered ${status}`));
        },
        failed: (error) => done.reject(error),
      },
    );
    queue.submit(queue.acquire(), BlockRequest.In, 0, SECTOR);
    queue.publish();
    const kicked = now();
    timing.setUp = kicked - begin;
    await done.promise;
    timing.firstKick = kicked - start;
    timing.firstCompletion = now() - kicked;
    return timing;
  } finally {
    await client.close();
  }
}

/** Nanoseconds. */
function now(): number {
  return Math.round(performance.now() * 1e6);
}
