import type { WaitOptions } from "../../core/base/index.ts";
import { Client } from "../../endpoints/frontend/index.ts";
import { type DeviceType, FrontendRequest } from "../../core/protocol/index.ts";
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

const MEMORY_BYTES = 256 << 10;

/** Requests whose round trip is a phase of its own. */
const TIMED: Partial<Record<number, ConnectionPhase>> = {
  [FrontendRequest.GetFeatures]: "features",
  [FrontendRequest.GetProtocolFeatures]: "protocolFeatures",
  [FrontendRequest.SetMemTable]: "memoryTable",
  [FrontendRequest.AddMemReg]: "memoryTable",
};

/** A harmless request of a device type, the first and only one of a session. */
export interface FirstRequest {
  /** The type of the back-ends that serve it. */
  readonly device: DeviceType;
  /** Device feature bits to acknowledge. */
  readonly deviceFeatures: bigint;
  /**
   * Starts a queue and hands the request over.
   *
   * @param wait how long the request may take
   * @returns a promise that settles with the request's completion
   */
  submit(client: Client, wait: WaitOptions): Promise<{ readonly completed: Promise<void> }>;
}

export interface ConnectionTimingOptions extends WaitOptions {
  /** Milliseconds that the first request may take. Default: `timeoutMs`. */
  readonly stallMs?: number | undefined;
  /** Called once the features are negotiated; what it throws ends the session. */
  readonly onConnected?: ((client: Client) => Promise<void>) | undefined;
}

/**
 * Opens a session to a back-end, makes one request, closes, and returns how long each phase took:
 * `connect` the system call; `features`, `protocolFeatures`, `memoryTable` from the request to its
 * reply; `firstKick` from SET_VRING_NUM until the first request is handed over; `firstCompletion` from
 * there until it is completed; `setUp` from the first connect until the first request is handed over.
 *
 * @throws what {@link Client.connect} throws; {@link DeviceError | StalledError} the request failed
 */
export async function timeConnection(
  path: string,
  first: FirstRequest,
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
    deviceFeatures: first.deviceFeatures,
    memory: { size: MEMORY_BYTES },
    observe: (way, { header }) => {
      const phase = TIMED[header.request];
      if (way === "sent") since = now();
      // A request may be sent more than once in a session; the first one is meant.
      else if (phase !== undefined && timing[phase] === 0) timing[phase] = now() - since;
    },
  });
  try {
    await options.onConnected?.(client);
    const start = now();
    const { completed } = await first.submit(client, { signal, timeoutMs: stallMs });
    const kicked = now();
    timing.setUp = kicked - begin;
    await completed;
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
