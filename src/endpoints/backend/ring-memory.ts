import { ProtocolError, StateError } from "../../core/base/index.ts";
import { Iotlb, type MemoryView, type RegionTable, SHARE_HINT } from "../../core/memory/index.ts";
import { IotlbPermission, VirtioFeature, type VringAddress } from "../../core/protocol/index.ts";
import type { RingFeatures, RingFormat, RingMemory } from "../../core/virtqueue/index.ts";

/** VIRTQ_DESC_F_USED, seen in a descriptor's last word. */
const PACKED_USED = 1 << 31;

const SHARED_ELSEWHERE = "no region that the front-end shared holds all of it";

/** Returns the ring features among the acknowledged ones. */
export function ringFeaturesOf(features: bigint): RingFeatures {
  return {
    eventIdx: (features & VirtioFeature.EventIdx) !== 0n,
    indirect: (features & VirtioFeature.IndirectDesc) !== 0n,
    packed: (features & VirtioFeature.RingPacked) !== 0n,
    inOrder: (features & VirtioFeature.InOrder) !== 0n,
  };
}

/**
 * Returns the position at which a ring begins. For a new packed ring some front-ends send a base
 * that means that the wrap counter has changed, or that all of the ring is in flight: Linux's
 * virtio_uml 0, DPDK's virtio-user (22.11) 0x8000, the available half alone. They differ from a
 * ring in use by the descriptors, of which a used ring has at least one marked as used.
 *
 * @param base the base of SET_VRING_BASE; undefined if the front-end did not send it
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

/** Makes the error for a part of a ring. */
function wrong(name: keyof RingMemory, what: string): ProtocolError {
  const request = "VHOST_USER_SET_VRING_ADDR";
  return new ProtocolError(`${request}: ${what}`, { request, field: name });
}

/** @throws {StateError} size or address were not set */
export function expectSetUp(
  index: number,
  size: number,
  address: VringAddress | undefined,
): VringAddress {
  if (address !== undefined && size > 0) return address;
  throw new StateError(
    `ring ${index} is not set up: VHOST_USER_SET_VRING_NUM and VHOST_USER_SET_VRING_ADDR must come first`,
  );
}

/** Returns the permissions that a device needs for a part of a ring. */
function permissionsFor(name: keyof RingMemory, { writesDescriptors }: RingFormat): number {
  const writes = name === "device" || (name === "descriptors" && writesDescriptors);
  return writes ? IotlbPermission.ReadWrite : IotlbPermission.Read;
}

/**
 * The parts of a ring as memory of this process; undefined if translations are missing.
 *
 * @throws {StateError} size or address were not set
 * @throws {ProtocolError} a part is not aligned, or is not inside one region
 */
export function locateRing(
  index: number,
  size: number,
  address: VringAddress | undefined,
  space: RegionTable | Iotlb,
  format: RingFormat,
): RingMemory | undefined {
  const at = expectSetUp(index, size, address);
  const layout = format.layout(size);
  const part = (name: keyof RingMemory, start: bigint): MemoryView | undefined => {
    const { bytes, alignment } = layout[name];
    const area = `the ${name} area of ring ${index}, ${bytes} bytes at 0x${start.toString(16)},`;
    if (start % BigInt(alignment) !== 0n)
      throw wrong(name, `${area} is not aligned to ${alignment}`);
    if (space instanceof Iotlb) return space.locate(start, bytes, permissionsFor(name, format));
    const view = space.locate(start, bytes);
    if (view) return view;
    const shared = space.regions.length === 0 ? "the front-end shared no memory" : SHARED_ELSEWHERE;
    throw wrong(name, `${area} is outside shared memory: ${shared}; ${SHARE_HINT}`);
  };
  // All three parts are looked up first, so that all missing translations are requested at once.
  const descriptors = part("descriptors", at.descriptor);
  const driver = part("driver", at.available);
  const device = part("device", at.used);
  return descriptors && driver && device && { descriptors, driver, device };
}
