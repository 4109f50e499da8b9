import { NegotiationError } from "../base/index.ts";
import { protocolFeatureNames, type RequestSpec, virtioFeatureNames } from "../protocol/index.ts";
import type { Negotiation } from "./state.ts";

/** @throws {NegotiationError} naming the features that the request needs and the session lacks */
export function expectRequirements(spec: RequestSpec, negotiation: Negotiation): void {
  const { requires } = spec;
  const missing = [
    ...virtioFeatureNames((requires.offered ?? 0n) & ~(negotiation.offered ?? 0n), undefined).map(
      (name) => `${name} offered`,
    ),
    ...virtioFeatureNames((requires.virtio ?? 0n) & ~negotiation.features, undefined),
    ...protocolFeatureNames((requires.protocol ?? 0n) & ~negotiation.protocolFeatures),
  ];
  if (missing.length > 0) {
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
