import type { CheckContext } from "./context.ts";

/** The possible meanings of GET_QUEUE_NUM, as indices of the rings that take requests. */
export interface QueueCount {
  /** The rings if the number counts rings, as the specification says. */
  readonly asRings: readonly number[];
  /**
   * The rings if the number counts queue pairs of a network device, as in QEMU and DPDK; else the
   * same rings.
   */
  readonly asPairs: readonly number[];
  /** True if a driver may use more than the first of them. */
  readonly usable: boolean;
}

/** Returns both readings of GET_QUEUE_NUM. */
export function queueCountOf({ kit, facts }: Pick<CheckContext, "kit" | "facts">): QueueCount {
  const { counted, repeated = [] } = kit.kind.queues;
  const asPairs = kit.requestRings(facts.queueNum);
  if (counted !== "repetitions") return { asRings: asPairs, asPairs, usable: true };
  const pairs = Math.max(1, Math.floor(facts.queueNum / repeated.length));
  const multiqueue = kit.multiqueue ?? 0n;
  const usable = multiqueue === 0n || (facts.virtio & multiqueue) !== 0n;
  return { asRings: kit.requestRings(pairs), asPairs, usable };
}

/**
 * Returns the rings that a front-end may rely on: those that it would use with QEMU's reading where
 * the device offers its multiqueue feature, else those of both readings.
 */
export function reliableRings(t: Pick<CheckContext, "kit" | "facts">): readonly number[] {
  const { asRings, asPairs, usable } = queueCountOf(t);
  return usable ? asPairs : asRings;
}
