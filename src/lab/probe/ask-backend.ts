import { FrontendRequests } from "../../endpoints/frontend/requests.ts";
import { processName } from "../../core/os/index.ts";
import {
  ProtocolFeature,
  protocolFeatureNames,
  VirtioFeature,
  virtioFeatureNames,
} from "../../core/protocol/index.ts";
import { Caller, Negotiation } from "../../core/session/index.ts";
import { probeConfig } from "./config.ts";
import {
  type Connection,
  mask,
  microsecondsSince,
  type Probe,
  type ProbeOptions,
} from "./connection.ts";
import { hintsOf } from "./hints.ts";
import { configReader, inferByConfig } from "./infer-by-config.ts";
import { inferDevice } from "./infer-device.ts";

/**
 * Asks a back-end for everything that can be asked without starting it.
 *
 * @param role microseconds until the role was known
 * @throws {TimeoutError | PeerClosedError | ProtocolError}
 */
export async function askBackend(
  connection: Connection,
  role: number,
  options: ProbeOptions,
): Promise<Probe> {
  const { path: socket, channel, pid, peer, connectUs, timeoutMs } = connection;
  const negotiation = new Negotiation();
  const caller = new Caller(channel, {
    direction: "front-end",
    negotiation,
    strictness: options.strictness ?? "lenient",
    timeoutMs,
    describePeer: () => peer,
  });
  const requests = new FrontendRequests(caller, negotiation);
  const { signal } = options;
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
  const offered = { virtio: virtio.value, protocol: protocolBits };
  const device =
    options.device ??
    inferDevice(virtio.value, protocolBits, program) ??
    (await inferByConfig({ ...offered, read: configReader(requests, { signal }) }));
  const layout = has(ProtocolFeature.Config) ? device?.config : undefined;
  const config =
    layout === undefined ? skipped : await timed(() => probeConfig(requests, layout, { signal }));
  const offer = {
    queues: queues.value === null ? null : Number(queues.value),
    memorySlots: slots.value === null ? null : Number(slots.value),
    config: config.value,
  };
  return {
    socket,
    role: "back-end",
    device: device?.name ?? null,
    virtioFeatures: virtioFeatureNames(virtio.value, device),
    protocolFeatures: protocolFeatureNames(protocolBits),
    virtioFeatureBits: mask(virtio.value),
    protocolFeatureBits: protocol.value === null ? null : mask(protocol.value),
    ...offer,
    hints: hintsOf({ kind: device, virtio: virtio.value, ...offer }),
    timingsUs: {
      connect: connectUs,
      role,
      features: virtio.us,
      protocolFeatures: protocol.us,
      queues: queues.us,
      memorySlots: slots.us,
      config: config.us,
    },
    program,
  };
}

interface Timed<T, Us> {
  readonly value: T;
  readonly us: Us;
}

async function timed<T>(ask: () => Promise<T>): Promise<Timed<T, number>> {
  const start = performance.now();
  const value = await ask();
  return { value, us: microsecondsSince(start) };
}

/** The value and the time of a phase that does not take place. */
const skipped = { value: null, us: null } as const;

async function timedIf<T>(
  condition: boolean,
  ask: () => Promise<T>,
): Promise<Timed<T | null, number | null>> {
  return condition ? timed(ask) : skipped;
}
