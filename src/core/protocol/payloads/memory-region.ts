import { u32, u64 } from "../fields.ts";
import { formatLayout, readLayout, writeLayout } from "../struct.ts";
import type { Layout } from "../struct.ts";

/**
 * One region of guest memory (specification: "Memory region description"). The last two fields
 * exist with VHOST_USER_PROTOCOL_F_XEN_MMAP only.
 *
 * | offset | size | name         |
 * | ------ | ---- | ------------ |
 * | 0      | 8    | guestAddress |
 * | 8      | 8    | size         |
 * | 16     | 8    | userAddress  |
 * | 24     | 8    | mmapOffset   |
 * | 32     | 4    | xen.flags    |
 * | 36     | 4    | xen.domid    |
 */
export interface MemoryRegion {
  readonly guestAddress: bigint;
  readonly size: bigint;
  readonly userAddress: bigint;
  readonly mmapOffset: bigint;
  readonly xen?: XenMapping;
}

/** The parameters for mapping a region of a Xen guest. */
export interface XenMapping {
  readonly flags: number;
  readonly domid: number;
}

/** Bits of {@link XenMapping.flags}. */
export const XenMappingFlag = {
  Foreign: 1,
  Grant: 2,
  /** The region must not be mapped as a whole in advance, only the pages in use. */
  NoAdvanceMap: 0x100,
} as const;

export const REGION_SIZE = 32;
export const XEN_REGION_SIZE = 40;

const layout: Layout<Omit<MemoryRegion, "xen">> = {
  guestAddress: u64(0),
  size: u64(8),
  userAddress: u64(16),
  mmapOffset: u64(24),
};
const xenLayout: Layout<XenMapping> = { flags: u32(32, "hex"), domid: u32(36) };

export const regionSize = (region: MemoryRegion): number =>
  region.xen ? XEN_REGION_SIZE : REGION_SIZE;

export function readRegion(view: DataView, base: number, xen: boolean): MemoryRegion {
  const region = readLayout(layout, view, base);
  return xen ? { ...region, xen: readLayout(xenLayout, view, base) } : region;
}

export function writeRegion(view: DataView, base: number, region: MemoryRegion): void {
  writeLayout(layout, view, base, region);
  if (region.xen) writeLayout(xenLayout, view, base, region.xen);
}

export function formatRegion(region: MemoryRegion): string {
  const xen = region.xen ? ` xen{${formatLayout(xenLayout, region.xen)}}` : "";
  return formatLayout(layout, region) + xen;
}
