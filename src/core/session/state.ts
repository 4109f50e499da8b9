/** What the two ends of a session agreed on so far. Shared by its main socket and back-end channel. */
export class Negotiation {
  /** Virtio features the back-end offered; undefined before the first GET_FEATURES. */
  offered: bigint | undefined;
  /** Virtio features that were acknowledged (SET_FEATURES). */
  features = 0n;
  /** Protocol features that were acknowledged (SET_PROTOCOL_FEATURES). */
  protocolFeatures = 0n;
  /** Protocol features that the back-end offered: for some requests that is enough. */
  offeredProtocolFeatures = 0n;
  /** The next SET_MEM_TABLE is answered with a table (POSTCOPY_LISTEN went before). */
  postcopy = false;

  has(protocolFeature: bigint): boolean {
    return (this.protocolFeatures & protocolFeature) === protocolFeature;
  }
}

/**
 * How messages of the peer are judged. `strict`: as the specification has it, for verdicts.
 * `lenient`: what real peers do is accepted as long as it cannot be misunderstood.
 */
export type Strictness = "strict" | "lenient";
