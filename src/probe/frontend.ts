import { Deferred, TimeoutError, type WaitOptions } from "../base/index.ts";
import { FrontendRequest, ProtocolFeature, VirtioFeature } from "../protocol/index.ts";
import { Answerer, Negotiation } from "../session/index.ts";
import type { Channel } from "../transport/index.ts";

/** Every feature bit that has a meaning. */
const ALL_PROTOCOL_FEATURES = Object.values(ProtocolFeature).reduce((all, bit) => all | bit, 0n);
const ALL_VIRTIO_FEATURES = Object.values(VirtioFeature).reduce((all, bit) => all | bit, 0n);
/** Device feature bits: which of them mean something depends on the device, which is not known. */
const DEVICE_FEATURES = (1n << 24n) - 1n;

/**
 * Plays a back-end that offers everything, until the front-end has said which protocol features it
 * acknowledges; that is before SET_OWNER, so that it goes back to waiting when it is left.
 *
 * @param peer names the peer in the time-out
 * @throws {TimeoutError | PeerClosedError | ProtocolError}
 */
export async function probeFrontend(
  channel: Channel,
  peer: string,
  { signal, timeoutMs }: WaitOptions,
): Promise<bigint> {
  const negotiation = new Negotiation();
  negotiation.offered = ALL_VIRTIO_FEATURES | DEVICE_FEATURES;
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
    onRefused: (error) => answer.reject(error),
  });
  answerer.on(FrontendRequest.GetFeatures, () => negotiation.offered);
  answerer.on(FrontendRequest.GetProtocolFeatures, () => ALL_PROTOCOL_FEATURES);
  answerer.on(FrontendRequest.SetProtocolFeatures, (features) =>
    answer.resolve(features as bigint),
  );
  void channel.closed.then(({ error }) => answer.reject(error));
  answerer.start();
  return answer.promise;
}
