import { ProtocolError, StateError } from "../base/index.ts";
import type { RegionTable } from "../memory/index.ts";
import type { VringAddress } from "../protocol/index.ts";
import type { RingFormat, RingMemory } from "../virtqueue/index.ts";

/**
 * The parts of a ring as memory of this process.
 *
 * @throws {StateError} size or address were not set
 * @throws {ProtocolError} a part is not aligned, or does not lie inside one region
 */
export function locateRing(
  index: number,
  size: number,
  address: VringAddress | undefined,
  memory: RegionTable,
  format: RingFormat,
): RingMemory {
  if (address === undefined || size === 0) {
    throw new StateError(
      `ring ${index}: expected VHOST_USER_SET_VRING_NUM and VHOST_USER_SET_VRING_ADDR before it is used`,
    );
  }
  const layout = format.layout(size);
  const part = (name: keyof RingMemory, userAddress: bigint): RingMemory[keyof RingMemory] => {
    const { bytes, alignment } = layout[name];
    const aligned = userAddress % BigInt(alignment) === 0n;
    const view = aligned ? memory.locate(userAddress, bytes) : undefined;
    if (view) return view;
    throw new ProtocolError(
      `VHOST_USER_SET_VRING_ADDR: expected the ${name} area of ring ${index} (${bytes} bytes, ` +
        `aligned to ${alignment}) inside one memory region, got user address 0x${userAddress.toString(16)}`,
      { request: "VHOST_USER_SET_VRING_ADDR", field: name },
    );
  };
  return {
    descriptors: part("descriptors", address.descriptor),
    driver: part("driver", address.available),
    device: part("device", address.used),
  };
}
