import {
  DescriptorFlag,
  type DeviceQueue,
  type SplitRingWords,
} from "../../../../../src/core/virtqueue/index.ts";

/** A descriptor of a split ring, as the driver laid it. */
export interface Laid {
  readonly at: number;
  readonly address: bigint;
  readonly length: number;
  readonly flags: number;
  readonly next: number;
}

export function splitOf({ raw }: DeviceQueue): SplitRingWords {
  if (raw.format !== "split") throw new TypeError("expected a split ring");
  return raw;
}

/** The descriptors of a chain, as far as they are in the ring's table; no more than it has. */
export function chainOf(raw: SplitRingWords, head: number): Laid[] {
  const chain: Laid[] = [];
  const { descriptors, descriptors16, size } = raw;
  for (let at = head; at < size && chain.length < size;) {
    const [low = 0, high = 0, length = 0] = descriptors.subarray(4 * at);
    const flags = descriptors16[8 * at + 6] ?? 0;
    const next = descriptors16[8 * at + 7] ?? 0;
    chain.push({ at, address: (BigInt(high) << 32n) | BigInt(low), length, flags, next });
    if ((flags & DescriptorFlag.Next) === 0) break;
    at = next;
  }
  return chain;
}

/** The chain that the driver made available last. */
export function newestChain(raw: SplitRingWords): Laid[] {
  const last = (Atomics.load(raw.available, 1) - 1) & (raw.size - 1);
  return chainOf(raw, raw.available[2 + last] ?? 0);
}
