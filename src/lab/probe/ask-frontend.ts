import { Deferred, TimeoutError } from "../../core/base/index.ts";
import { processName } from "../../core/os/index.ts";
import {
  FrontendRequest,
  ProtocolFeature,
  protocolFeatureNames,
  VirtioFeature,
} from "../../core/protocol/index.ts";
import { Answerer, Negotiation } from "../../core/session/index.ts";
import {
  type Connection,
  mask,
  microsecondsSince,
  type Probe,
  type ProbeOptions,
} from "./connection.ts";

/** Every feature bit that has a meaning. */
const ALL_PROTOCOL_FEATURES = Object.values(ProtocolFeature).reduce((all, bit) => all | bit, 0n);
const ALL_VIRTIO_FEATURES = Object.values(VirtioFeature).reduce((all, bit) => all | bit, 0n);
/** Device feature bits: which of them mean something depends on the device, which is not known. */
const DEVICE_FEATURES = (1n << 24n) - 1n;

/**
 * Plays a back-end for a front-end until it has said what it acknowledges.
 *
 * @param role microseconds until the role was known
 * @throws {TimeoutError | PeerClosedError | ProtocolError}
 */
export async function askFrontend(
  connection: Connection,
  role: number,
  options: ProbeOptions,
): Promise<Probe> {
  const { path: socket, pid, connectUs } = connection;
  const start = performance.now();
  const acknowledged = await acknowledgedFeatures(connection, options);
  return {
    socket,
    role: "front-end",
    device: options.device?.name ?? null,
    virtioFeatures: [],
    protocolFeatures: protocolFeatureNames(acknowledged),
    virtioFeatureBits: null,
    protocolFeatureBits: mask(acknowledged),
    queues: null,
    memorySlots: null,
    config: null,
    hints: [],
    timingsUs: {
      connect: connectUs,
      role,
      features: null,
      protocolFeatures: microsecondsSince(start),
      queues: null,
      memorySlots: null,
      config: null,
    },
    program: processName(pid),
  };
}

/**
 * Offers everything, until SET_PROTOCOL_FEATURES: that is before SET_OWNER, so that the front-end
 * goes back to waiting when it is left.
 */
async function acknowledgedFeatures(
  { channel, peer, timeoutMs }: Connection,
  { signal }: ProbeOptions,
): Promise<bigint> {
  const negotiation = new Negotiation();
  const offered = ALL_VIRTIO_FEATURES | DEVICE_FEATURES;
  negotiation.offered = offered;
  const answer = new Deferred<bigint>(
    { signal, timeoutMs },
    () =>
      new TimeoutError(
        `no VHOST_USER_SET_PROTOCOL_FEATURES within ${timeoutMs} ms from the front-end; peer is ${peer}`,
      ),
  );
  const answerer = new Answerer(channel, {
    direction: "front-end",
    negotiation,
    strictness: "lenient",
    presumed: offered,
    onRefused: (error) => answer.reject(error),
  });
  answerer.on(FrontendRequest.GetFeatures, () => offered);
  answerer.on(FrontendRequest.GetProtocolFeatures, () => ALL_PROTOCOL_FEATURES);
  answerer.on(FrontendRequest.SetProtocolFeatures, (features) => answer.resolve(features));
  void channel.closed.then(({ error }) => answer.reject(error));
  answerer.start();
  return answer.promise;
}
