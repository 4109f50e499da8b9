import { Deferred, type WaitOptions } from "../base/index.ts";
import { FrontendRequests } from "../frontend/index.ts";
import { processName, type UnixSocket } from "../os/index.ts";
import {
  type DeviceName,
  ProtocolFeature,
  protocolFeatureNames,
  VirtioFeature,
  virtioFeatureNames,
} from "../protocol/index.ts";
import { Caller, Negotiation, type Strictness } from "../session/index.ts";
import {
  connectSocket,
  describePeer,
  type FrameObserver,
  UnixChannel,
} from "../transport/index.ts";
import { probeConfig } from "./config.ts";
import { probeFrontend } from "./frontend.ts";
import { inferDevice } from "./infer-device.ts";
import { PeekChannel } from "./peek-channel.ts";
import type { ProbeResult, ProbeTimings } from "./result.ts";

/** How long a front-end is given to speak first, ms: QEMU does within 0.2. */
const LISTEN_MS = 50;
const DEFAULT_TIMEOUT_MS = 5000;

export interface ProbeOptions extends WaitOptions {
  /** The device type, where nothing tells it. */
  readonly device?: DeviceName | undefined;
  readonly strictness?: Strictness | undefined;
  readonly observe?: FrameObserver | undefined;
}

/** A probe's result, and who it was about. */
export interface Probe extends ProbeResult {
  /** Name of the program that listens, where it can be seen. */
  readonly program: string | undefined;
}

/**
 * Finds out who listens on a socket, and asks without starting anything: no memory is shared and no
 * ring set up. A back-end gets GET_FEATURES, GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES (where
 * later answers depend on it), GET_QUEUE_NUM, GET_MAX_MEM_SLOTS and GET_CONFIG. A front-end gets
 * answers up to SET_PROTOCOL_FEATURES and is then left.
 *
 * Mind that a daemon which serves one front-end only, such as virtiofsd, may exit afterwards.
 *
 * @throws {ConnectError | EnvironmentError | UsageError | TimeoutError | PeerClosedError |
 *   ProtocolError}
 */
export async function probe(socketPath: string, options: ProbeOptions = {}): Promise<Probe> {
  const first = await open(socketPath, options);
  try {
    await listen(first.channel, options);
    if (!first.channel.sawRequest) {
      try {
        return await askBackend(socketPath, first, options);
      } catch (error) {
        // A request where an answer was due: a front-end that took its time.
        if (!first.channel.sawRequest) throw error;
      }
    } else return await askFrontend(socketPath, first, options);
  } finally {
    first.channel.close();
  }
  const second = await open(socketPath, options);
  try {
    return await askFrontend(socketPath, second, options);
  } finally {
    second.channel.close();
  }
}

interface Connection {
  readonly channel: PeekChannel;
  readonly pid: number;
  readonly peer: string;
  readonly start: number;
  readonly connectUs: number;
}

async function open(
  path: string,
  { signal, timeoutMs, observe }: ProbeOptions,
): Promise<Connection> {
  const start = performance.now();
  const socket: UnixSocket = await connectSocket(path, {
    signal,
    timeoutMs: timeoutMs ?? DEFAULT_TIMEOUT_MS,
  });
  const { pid } = socket.peer;
  const peer = describePeer(socket);
  const connectUs = microseconds(start);
  const channel = new PeekChannel(new UnixChannel(socket, { observe }));
  return { channel, pid, peer, start, connectUs };
}

/** Waits for a front-end's first word, or for the time in which one would have spoken. */
async function listen(channel: PeekChannel, { signal }: ProbeOptions): Promise<void> {
  const silence = new Deferred<void>({ signal });
  const timer = setTimeout(() => silence.resolve(), LISTEN_MS);
  try {
    await Promise.race([channel.first, silence.promise]);
  } finally {
    clearTimeout(timer);
    silence.resolve();
  }
}

async function askBackend(
  socket: string,
  { channel, pid, peer, start, connectUs }: Connection,
  options: ProbeOptions,
): Promise<Probe> {
  const negotiation = new Negotiation();
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const caller = new Caller(channel, {
    direction: "front-end",
    negotiation,
    strictness: options.strictness ?? "lenient",
    timeoutMs,
    describePeer: () => peer,
  });
  const requests = new FrontendRequests(caller, negotiation);
  const { signal } = options;
  const roleUs = microseconds(start) - connectUs;
  const virtio = await timed(() => requests.getFeatures({ signal }));
  const protocol = await timedIf(
    (virtio.value & VirtioFeature.ProtocolFeatures) !== 0n,
    async () => {
      const offered = await requests.getProtocolFeatures({ signal });
      // In-band notifications need more than is negotiated here, Xen mappings and guest addresses
      // would be promises; nothing of them is used.
      const unused =
        ProtocolFeature.InbandNotifications |
        ProtocolFeature.XenMmap |
        ProtocolFeature.GpaAddresses;
      await requests.setProtocolFeatures(offered & ~unused, { signal });
      return offered;
    },
  );
  const protocolBits = protocol.value ?? 0n;
  const has = (feature: bigint): boolean => (protocolBits & feature) !== 0n;
  const queues = await timedIf(has(ProtocolFeature.Mq), () => requests.getQueueNum({ signal }));
  const slots = await timedIf(has(ProtocolFeature.ConfigureMemSlots), () =>
    requests.getMaxMemSlots({ signal }),
  );
  const program = processName(pid);
  const device = options.device ?? inferDevice(virtio.value, protocolBits, program);
  const config = await timedIf(has(ProtocolFeature.Config) && device !== null, () =>
    probeConfig(requests, device),
  );
  return {
    socket,
    role: "back-end",
    device,
    virtioFeatures: virtioFeatureNames(virtio.value, device ?? undefined),
    protocolFeatures: protocolFeatureNames(protocolBits),
    virtioFeatureBits: mask(virtio.value),
    protocolFeatureBits: protocol.value === null ? null : mask(protocol.value),
    queues: queues.value === null ? null : Number(queues.value),
    memorySlots: slots.value === null ? null : Number(slots.value),
    config: config.value,
    timingsUs: {
      connect: connectUs,
      role: roleUs,
      features: virtio.us,
      protocolFeatures: protocol.us,
      queues: queues.us,
      memorySlots: slots.us,
      config: config.us,
    },
    program,
  };
}

async function askFrontend(
  socket: string,
  { channel, pid, peer, start, connectUs }: Connection,
  options: ProbeOptions,
): Promise<Probe> {
  const roleUs = microseconds(start) - connectUs;
  const acknowledged = await timed(() =>
    probeFrontend(channel, peer, {
      ...options,
      timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    }),
  );
  const timingsUs: ProbeTimings = {
    connect: connectUs,
    role: roleUs,
    features: null,
    protocolFeatures: acknowledged.us,
    queues: null,
    memorySlots: null,
    config: null,
  };
  return {
    socket,
    role: "front-end",
    device: options.device ?? null,
    virtioFeatures: [],
    protocolFeatures: protocolFeatureNames(acknowledged.value),
    virtioFeatureBits: null,
    protocolFeatureBits: mask(acknowledged.value),
    queues: null,
    memorySlots: null,
    config: null,
    timingsUs,
    program: processName(pid),
  };
}

interface Timed<T, Us> {
  readonly value: T;
  readonly us: Us;
}

async function timed<T>(ask: () => Promise<T>): Promise<Timed<T, number>> {
  const start = performance.now();
  const value = await ask();
  return { value, us: microseconds(start) };
}

async function timedIf<T>(
  condition: boolean,
  ask: () => Promise<T>,
): Promise<Timed<T | null, number | null>> {
  return condition ? timed(ask) : { value: null, us: null };
}

function microseconds(start: number): number {
  return Math.round((performance.now() - start) * 1000);
}

function mask(bits: bigint): string {
  return `0x${bits.toString(16)}`;
}
