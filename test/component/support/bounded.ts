/** Bounds the work of a device half under an attack by counts, and not by time. */
import assert from "node:assert/strict";
import type { ChainCursor, DeviceQueue } from "../../../src/core/virtqueue/index.ts";
import { Descriptor } from "../../../src/core/virtqueue/descriptor.ts";

/** Descriptors of a chain that are followed at most where the queue is smaller. */
const LONGEST_CHAIN = 1024;

/** Descriptors that were read for the chain that is being taken, and how many may be. */
let reads = 0;
let most = Infinity;

const take: unknown = Object.getOwnPropertyDescriptor(Descriptor.prototype, "take")?.value;
assert.ok(typeof take === "function");
// Once for the whole test file: millions of chains are taken.
Descriptor.prototype.take = function count(this: Descriptor, words: Uint32Array, at: number): void {
  reads += 1;
  if (reads > most) assert.fail(`more than ${most} descriptors were read for one chain`);
  Reflect.apply(take, this, [words, at]);
};

/**
 * Takes the next chain. It fails as soon as more descriptors are read than the longest chain has, with
 * the one that names a table, so that a walk without end is found and not waited for.
 */
export function nextBounded(device: DeviceQueue, chain: ChainCursor): boolean {
  reads = 0;
  most = Math.max(device.size, LONGEST_CHAIN) + 1;
  try {
    return device.next(chain);
  } finally {
    most = Infinity;
  }
}

/**
 * Takes every chain that is available, at most as many as the queue has entries.
 *
 * @param each called after each chain
 * @returns how many there were
 */
export function takeAll(device: DeviceQueue, chain: ChainCursor, each: () => void): number {
  let taken = 0;
  while (nextBounded(device, chain)) {
    taken += 1;
    assert.ok(taken <= device.size, `more than ${device.size} chains were taken at once`);
    each();
  }
  return taken;
}
