import { ftruncateSync } from "node:fs";
import { Region, Resolved, type RegionTable, SpanList } from "../../../src/core/memory/index.ts";
import { addon, OwnedFd } from "../../../src/core/os/index.ts";
import type { MemoryRegion } from "../../../src/core/protocol/index.ts";

export const PAGE = 4096;
export const GIB = 2 ** 30;

/** A memfd as a peer shares it: not sealed, so that it can be truncated. */
export function unsealedFile(size: number): OwnedFd {
  const fd = new OwnedFd(addon().memfdCreate("peer", 1));
  ftruncateSync(fd.fd, size);
  return fd;
}

/** Fields of a region; user addresses are 2^40 above guest addresses by default. */
export function describeRegion(
  guestAddress: number,
  size: number,
  rest: Partial<MemoryRegion> = {},
): MemoryRegion {
  return {
    guestAddress: BigInt(guestAddress),
    size: BigInt(size),
    userAddress: BigInt(guestAddress) + 2n ** 40n,
    mmapOffset: 0n,
    ...rest,
  };
}

/** A region over a file of its own. */
export function makeRegion(
  guestAddress: number,
  size: number,
  rest?: Partial<MemoryRegion>,
): Region {
  return new Region(describeRegion(guestAddress, size, rest), unsealedFile(size));
}

/** The bytes at a guest address as separate segments; undefined: a fault. */
export function lookUp(
  table: RegionTable,
  address: number | bigint,
  length: number,
): Uint8Array[] | undefined {
  const spans = new SpanList();
  const wide = BigInt(address);
  const low = Number(wide & 0xffff_ffffn);
  const high = Number(wide >> 32n);
  if (table.resolve(low, high, length, true, spans) !== Resolved.Ok) return undefined;
  return Array.from({ length: spans.count }, (_, i) => {
    const offset = spans.offsets[i] ?? 0;
    const bytes = spans.windows[i]?.bytes.subarray(offset, offset + (spans.lengths[i] ?? 0));
    if (bytes === undefined) throw new Error("a segment without a window");
    return bytes;
  });
}

/** Lengths of the segments; undefined: a fault. */
export function segmentLengths(
  table: RegionTable,
  address: number | bigint,
  length: number,
): number[] | undefined {
  return lookUp(table, address, length)?.map((bytes) => bytes.length);
}
