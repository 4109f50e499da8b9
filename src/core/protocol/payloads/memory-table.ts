import { counted } from "../../base/index.ts";
import { fieldError, sizeError } from "../codec.ts";
import type { Codec } from "../codec.ts";
import { viewOf } from "../fields.ts";
import {
  REGION_SIZE,
  XEN_REGION_SIZE,
  formatRegion,
  readRegion,
  regionSize,
  writeRegion,
} from "./memory-region.ts";
import type { MemoryRegion } from "./memory-region.ts";

/**
 * All memory of the guest; region i belongs to descriptor i (specification: "Multiple Memory
 * regions description"). With XEN_MMAP a region has 40 bytes instead of 32, which follows from the
 * payload's size and the count.
 *
 * | offset | size    | name             |
 * | ------ | ------- | ---------------- |
 * | 0      | 4       | count            |
 * | 4      | 4       | padding          |
 * | 8      | 32 or 40 each | regions    |
 */
export interface MemoryTable {
  readonly regions: readonly MemoryRegion[];
}

const NAME = "memory table";
const PREFIX = 8;

/**
 * The specification mentions eight regions and most peers accept no more; the real limit is the
 * number of descriptors that Linux transfers with one message.
 */
export const MAX_MEMORY_REGIONS = 253;

const isXen = (count: number, payload: Uint8Array): boolean =>
  count > 0 && payload.byteLength === PREFIX + count * XEN_REGION_SIZE;

export const memoryTable: Codec<MemoryTable> = {
  name: NAME,
  minSize: PREFIX,
  maxSize: PREFIX + MAX_MEMORY_REGIONS * XEN_REGION_SIZE,
  size: (value) => value.regions.reduce((sum, region) => sum + regionSize(region), PREFIX),
  encode(value) {
    const { regions } = value;
    if (regions.length > MAX_MEMORY_REGIONS) {
      throw new RangeError(
        `a memory table has at most ${MAX_MEMORY_REGIONS} regions, not ${regions.length}`,
      );
    }
    const xen = regions[0]?.xen !== undefined;
    if (regions.some((region) => (region.xen !== undefined) !== xen)) {
      throw new TypeError("either all regions of a memory table have a xen part or none has");
    }
    const bytes = new Uint8Array(memoryTable.size(value));
    const view = viewOf(bytes);
    view.setUint32(0, regions.length, true);
    const step = xen ? XEN_REGION_SIZE : REGION_SIZE;
    for (const [index, region] of regions.entries()) {
      writeRegion(view, PREFIX + index * step, region);
    }
    return bytes;
  },
  decode(payload) {
    if (payload.byteLength < PREFIX) throw sizeError(NAME, `at least ${PREFIX} bytes`, payload);
    const view = viewOf(payload);
    const count = view.getUint32(0, true);
    if (count > MAX_MEMORY_REGIONS) {
      throw fieldError(NAME, "count", `at most ${MAX_MEMORY_REGIONS}`, String(count));
    }
    const xen = isXen(count, payload);
    if (!xen && payload.byteLength !== PREFIX + count * REGION_SIZE) {
      throw sizeError(
        NAME,
        `${PREFIX + count * REGION_SIZE} bytes for ${counted(count, "region")}`,
        payload,
      );
    }
    const step = xen ? XEN_REGION_SIZE : REGION_SIZE;
    const regions: MemoryRegion[] = [];
    for (let index = 0; index < count; index++) {
      regions.push(readRegion(view, PREFIX + index * step, xen));
    }
    return { regions };
  },
  describe(value) {
    const regions = value.regions.map((region) => ` {${formatRegion(region)}}`).join("");
    return `regions=${value.regions.length}${regions}`;
  },
  announcedSize(payload) {
    const count = viewOf(payload).getUint32(0, true);
    return isXen(count, payload) ? payload.byteLength : PREFIX + count * REGION_SIZE;
  },
};
