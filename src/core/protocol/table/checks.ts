/**
 * Rules about field values that hold in every state of a session. Each returns the first field that
 * breaks its rule.
 */
import { hex } from "../fields.ts";
import type { Config } from "../payloads/config.ts";
import type { DeviceStateParams } from "../payloads/device-state.ts";
import type { Iotlb } from "../payloads/iotlb.ts";
import type { MemoryRegion } from "../payloads/memory-region.ts";
import type { MemoryTable } from "../payloads/memory-table.ts";
import type { MMap } from "../payloads/mmap.ts";
import type { ShmemConfig } from "../payloads/shmem-config.ts";
import type { SingleMemoryRegion } from "../payloads/single-memory-region.ts";
import type { VringAddress } from "../payloads/vring-address.ts";
import type { VringState } from "../payloads/vring-state.ts";
import type { FieldFault } from "./spec.ts";

type Check = FieldFault | undefined;

const END = 1n << 64n;
const MAX_QUEUE_SIZE = 32768;

const fault = (field: string, expected: string, actual: string | number): FieldFault => ({
  field,
  expected,
  actual: String(actual),
});

/** `num` is reserved where a request merely names a ring. */
export function numIsZero({ num }: VringState): Check {
  return num === 0 ? undefined : fault("num", "0 (reserved)", num);
}

export function numIsBoolean({ num }: VringState): Check {
  return num <= 1 ? undefined : fault("num", "0 or 1", num);
}

/** Only the session knows whether the stricter rule of split rings, a power of two, applies. */
export function numIsQueueSize({ num }: VringState): Check {
  const fits = num >= 1 && num <= MAX_QUEUE_SIZE;
  return fits ? undefined : fault("num", `1 to ${MAX_QUEUE_SIZE}`, num);
}

export function onlyLogFlag({ flags }: VringAddress): Check {
  return flags <= 1 ? undefined : fault("flags", "no other bit than 0 (log)", hex(flags));
}

export function byteValue(value: bigint): Check {
  return value <= 0xffn ? undefined : fault("value", "8 bits", hex(value));
}

export function macHasSixBytes(value: bigint): Check {
  return value >> 48n === 0n ? undefined : fault("value", "6 bytes", hex(value));
}

export function mtuValue(value: bigint): Check {
  return value >= 68n && value <= 65535n ? undefined : fault("mtu", "68 to 65535", String(value));
}

function regionFault(region: MemoryRegion): Check {
  if (region.size === 0n) return fault("size", "more than 0", "0");
  for (const field of ["guestAddress", "userAddress", "mmapOffset"] as const) {
    if (region[field] + region.size > END) {
      return fault(field, "an area that ends within 64 bits", hex(region[field]));
    }
  }
  return undefined;
}

export function regionIsSane({ region }: SingleMemoryRegion): Check {
  return regionFault(region);
}

/** Regions have a size, do not wrap around and overlap in neither address space. */
export function regionsAreSane({ regions }: MemoryTable): Check {
  for (const [index, region] of regions.entries()) {
    const found = regionFault(region);
    if (found) return { ...found, field: `regions[${index}].${found.field}` };
  }
  for (const field of ["guestAddress", "userAddress"] as const) {
    const sorted = regions
      .map((region, index) => ({ index, start: region[field], end: region[field] + region.size }))
      .sort((a, b) => (a.start < b.start ? -1 : Number(a.start > b.start)));
    for (const [at, { index, start }] of sorted.entries()) {
      const before = sorted[at - 1];
      if (before && start < before.end) {
        const where = `regions[${index}].${field}`;
        return fault(where, `no overlap with regions[${before.index}]`, hex(start));
      }
    }
  }
  return undefined;
}

function iotlbOf(types: readonly number[], wanted: string): (message: Iotlb) => Check {
  return ({ type, permissions }) => {
    if (!types.includes(type)) return fault("type", wanted, type);
    return permissions <= 3 ? undefined : fault("permissions", "0 to 3", permissions);
  };
}

export const frontendIotlb: (message: Iotlb) => Check = iotlbOf(
  [2, 3],
  "2 (update) or 3 (invalidate)",
);
export const backendIotlb: (message: Iotlb) => Check = iotlbOf(
  [1, 4],
  "1 (miss) or 4 (access fail)",
);

export function configFlags({ flags }: Config): Check {
  return flags <= 1 ? undefined : fault("flags", "0 (write) or 1 (migration)", flags);
}

export function transferParams({ direction, phase }: DeviceStateParams): Check {
  if (direction > 1) return fault("direction", "0 (save) or 1 (load)", direction);
  return phase === 0 ? undefined : fault("phase", "0 (stopped)", phase);
}

export function mappingIsSane({ length, shmOffset, fdOffset, flags }: MMap): Check {
  if (length === 0n) return fault("length", "more than 0", "0");
  if (shmOffset + length > END) {
    return fault("shmOffset", "an area that ends within 64 bits", hex(shmOffset));
  }
  if (fdOffset + length > END) {
    return fault("fdOffset", "an area that ends within 64 bits", hex(fdOffset));
  }
  return flags <= 1n ? undefined : fault("flags", "no other bit than 0 (writable)", hex(flags));
}

export function regionCount({ numRegions, sizes }: ShmemConfig): Check {
  const used = sizes.filter((size) => size !== 0n).length;
  return numRegions === used
    ? undefined
    : fault("numRegions", `${used}, the number of sizes that are not 0`, numRegions);
}

/** SET_DEVICE_STATE_FD: an error never comes together with a descriptor. */
export function stateReply(value: bigint): Check {
  if (value >> 9n !== 0n) return fault("value", "no bit above 8", hex(value));
  return (value & 0xffn) !== 0n && (value & 0x100n) === 0n
    ? fault("value", "bit 8 (no descriptor) with an error", hex(value))
    : undefined;
}
