import { PackedDeviceQueue } from "./packed/device-queue.ts";
import { PackedDriverQueue } from "./packed/driver-queue.ts";
import { FRESH_BASE, isPackedQueueSize, packedRingLayout } from "./packed/layout.ts";
import { SplitDeviceQueue } from "./split/device-queue.ts";
import { SplitDriverQueue } from "./split/driver-queue.ts";
import { isSplitQueueSize, splitRingLayout } from "./split/layout.ts";
import type { DeviceQueue } from "./device-roles.ts";
import type { DriverQueue } from "./driver-roles.ts";
import type { DeviceQueueOptions, DriverQueueOptions } from "./types.ts";

/**
 * Creates the driver half in the negotiated format.
 *
 * @throws {UsageError | QueueError | MemoryAccessError} size or memory do not make a ring
 */
export function createDriverQueue(options: DriverQueueOptions): DriverQueue {
  return options.features.packed ? new PackedDriverQueue(options) : new SplitDriverQueue(options);
}

/**
 * Creates the device half in the negotiated format.
 *
 * @throws {UsageError | QueueError | MemoryAccessError} size or memory do not make a ring
 */
export function createDeviceQueue(options: DeviceQueueOptions): DeviceQueue {
  return options.features.packed ? new PackedDeviceQueue(options) : new SplitDeviceQueue(options);
}

/** The properties of one ring format. */
export interface RingFormat {
  readonly isSize: (size: number) => boolean;
  /** Describes the allowed sizes, for messages. */
  readonly sizes: string;
  readonly layout: typeof splitRingLayout;
  /** The base of an unused ring, as GET_VRING_BASE encodes it. */
  readonly freshBase: number;
  /** True if the device writes into the descriptor area. */
  readonly writesDescriptors: boolean;
}

const SPLIT: RingFormat = {
  isSize: isSplitQueueSize,
  sizes: "a power of two",
  layout: splitRingLayout,
  freshBase: 0,
  writesDescriptors: false,
};
const PACKED: RingFormat = {
  isSize: isPackedQueueSize,
  sizes: "a number",
  layout: packedRingLayout,
  freshBase: FRESH_BASE,
  writesDescriptors: true,
};

export function ringFormat(packed: boolean): RingFormat {
  return packed ? PACKED : SPLIT;
}
