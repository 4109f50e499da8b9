import { NegotiationError } from "../base/index.ts";
import { protocolFeatureNames, type RequestSpec, virtioFeatureNames } from "../protocol/index.ts";
import type { Negotiation } from "./state.ts";

/**
 * Checks that a request may be sent in a session.
 *
 * @param presumed virtio features that count as acknowledged, where they were offered, as long as the
 *   front-end has acknowledged none
 * @throws {NegotiationError} naming the features that the request needs and the session lacks
 */
export function expectRequirements(
  spec: RequestSpec,
  negotiation: Negotiation,
  presumed = 0n,
): void {
  const { requires } = spec;
  const { features } = negotiation;
  const acknowledged = features === 0n ? (negotiation.offered ?? 0n) & presumed : features;
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
