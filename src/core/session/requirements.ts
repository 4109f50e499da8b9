import { NegotiationError } from "../base/index.ts";
import {
  protocolFeatureNames,
  type RequestSpec,
  VirtioFeature,
  virtioFeatureNames,
} from "../protocol/index.ts";
import type { Negotiation, Strictness } from "./state.ts";

/** VIRTIO_NET_F_MTU, a bit of network devices. */
const NET_MTU = 1n << 3n;

/** @throws {NegotiationError} naming the features that the request needs and the session lacks */
export function expectRequirements(
  spec: RequestSpec,
  negotiation: Negotiation,
  strictness: Strictness = "strict",
): void {
  const { requires } = spec;
  let acknowledged = negotiation.features;
  // QEMU enables the rings of a network card, and tells its MTU, before it acknowledges any feature
  // at all.
  if (strictness === "lenient" && acknowledged === 0n)
    acknowledged = (negotiation.offered ?? 0n) & (VirtioFeature.ProtocolFeatures | NET_MTU);
  const agreed =
    negotiation.protocolFeatures |
    (requires.offerSuffices ? negotiation.offeredProtocolFeatures : 0n);
  const offered = (requires.offered ?? 0n) & ~(negotiation.offered ?? 0n);
  const virtio = (requires.virtio ?? 0n) & ~acknowledged;
  const protocol = (requires.protocol ?? 0n) & ~agreed;
  // Names are looked up for the message alone.
  if ((offered | virtio | protocol) !== 0n) {
    const missing = [
      ...virtioFeatureNames(offered).map((name) => `${name} offered`),
      ...virtioFeatureNames(virtio),
      ...protocolFeatureNames(protocol),
    ];
    throw new NegotiationError(
      `${spec.name} needs ${missing.join(" and ")}; that was not negotiated`,
    );
  }
  const forbidden = (requires.without ?? 0n) & negotiation.protocolFeatures;
  if (forbidden !== 0n) {
    throw new NegotiationError(
      `${spec.name} must not be sent with ${protocolFeatureNames(forbidden).join(", ")}`,
    );
  }
}
