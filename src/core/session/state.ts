/**
 * The features that both ends of a session have negotiated so far. Its main socket and back-end
 * channel share it.
 */
export class Negotiation {
  /** Virtio features the back-end offered; undefined before the first GET_FEATURES. */
  offered: bigint | undefined;
  /** Virtio features that were acknowledged (SET_FEATURES). */
  features = 0n;
  /** Protocol features that were acknowledged (SET_PROTOCOL_FEATURES). */
  protocolFeatures = 0n;
  /** Protocol features that the back-end offered. Some requests need no more than the offer. */
  offeredProtocolFeatures = 0n;
  /** True after POSTCOPY_LISTEN: the reply to the next SET_MEM_TABLE is a table. */
  postcopy = false;

  has(protocolFeature: bigint): boolean {
    return (this.protocolFeatures & protocolFeature) === protocolFeature;
  }
}

/**
 * The way in which messages of the peer are judged. `strict`: by the specification, for verdicts.
 * `lenient`: deviations of real peers are accepted if they are unambiguous.
 */
export type Strictness = "strict" | "lenient";
