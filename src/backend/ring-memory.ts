import { ProtocolError, StateError } from "../base/index.ts";
import type { RegionTable } from "../memory/index.ts";
import { VirtioFeature, type VringAddress } from "../protocol/index.ts";
import type { RingFeatures, RingFormat, RingMemory } from "../virtqueue/index.ts";

/** VIRTQ_DESC_F_USED, seen in a descriptor's last word. */
const PACKED_USED = 1 << 31;

/** What the acknowledged features mean for a ring. */
export function ringFeaturesOf(features: bigint): RingFeatures {
  return {
    eventIdx: (features & VirtioFeature.EventIdx) !== 0n,
    indirect: (features & VirtioFeature.IndirectDesc) !== 0n,
    packed: (features & VirtioFeature.RingPacked) !== 0n,
    inOrder: (features & VirtioFeature.InOrder) !== 0n,
  };
}

/**
 * Where a ring begins. Some front-ends say of a packed ring that is new what means that its lap is
 * over, or that all of it is in flight: Linux's virtio_uml 0, DPDK's virtio-user (22.11) 0x8000, the
 * available half alone. A ring that was used holds a descriptor marked as used.
 *
 * @param base as SET_VRING_BASE has it; undefined: nobody has said
 */
export function firstBase(
  base: number | undefined,
  size: number,
  { descriptors: { window, offset } }: RingMemory,
  { freshBase }: RingFormat,
): number {
  if (freshBase === 0 || (base !== 0 && base !== (freshBase & 0xffff))) return base ?? freshBase;
  for (let i = 0; i < size; i += 1) {
    const idAndFlags = window.u32[(offset >>> 2) + i * 4 + 3] ?? 0;
    if ((idAndFlags & PACKED_USED) !== 0) return base;
  }
  return freshBase;
}

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
