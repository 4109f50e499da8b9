import type { GuestBuffer } from "../../../../core/memory/index.ts";
import { linked, type RawDescriptor, writeIndirectTable } from "../../../wire/index.ts";
import type { KitRequest } from "./kit.ts";
import type { SuiteMemory } from "./memory.ts";

/** Returns a request's descriptors, one for each buffer. */
export function descriptorsOf({
  readable,
  writable,
}: Pick<KitRequest, "readable" | "writable">): RawDescriptor[] {
  const descriptor = (buffer: GuestBuffer, write: boolean): RawDescriptor => ({
    address: buffer.address,
    length: buffer.bytes.length,
    write,
  });
  return [
    ...readable.map((buffer) => descriptor(buffer, false)),
    ...writable.map((buffer) => descriptor(buffer, true)),
  ];
}

/** Splits a descriptor into parts of these lengths and a rest. */
function split(descriptor: RawDescriptor, lengths: readonly number[]): RawDescriptor[] {
  const parts: RawDescriptor[] = [];
  let at = 0;
  for (const length of [...lengths, descriptor.length]) {
    const part = Math.min(length, descriptor.length - at);
    if (part > 0)
      parts.push({ ...descriptor, address: Number(descriptor.address) + at, length: part });
    at += part;
  }
  return parts;
}

/**
 * Splits the first descriptor into parts of these lengths and a rest; the other descriptors are
 * unchanged.
 */
export function cutFirst(
  descriptors: readonly RawDescriptor[],
  lengths: readonly number[],
): RawDescriptor[] {
  return descriptors.flatMap((descriptor, i) =>
    i === 0 ? split(descriptor, lengths) : descriptor,
  );
}

/**
 * Units of which a part should be a multiple: a page or a sector, as a device with O_DIRECT needs.
 */
const PART_UNITS = [4096, 512];

/**
 * Splits the longest descriptor into about equal parts, so that there are `count` descriptors in
 * total. Parts are whole pages, or sectors, where the descriptor is long enough.
 */
export function cutInto(descriptors: readonly RawDescriptor[], count: number): RawDescriptor[] {
  const longest = Math.max(...descriptors.map(({ length }) => length));
  const at = descriptors.findIndex(({ length }) => length === longest);
  const parts = count - descriptors.length + 1;
  const most = Math.floor(longest / parts);
  const unit = PART_UNITS.find((bytes) => bytes <= most) ?? 1;
  const each = most - (most % unit);
  const lengths = Array.from({ length: parts - 1 }, () => each);
  return descriptors.flatMap((descriptor, i) =>
    i === at ? split(descriptor, lengths) : descriptor,
  );
}

/**
 * Writes an indirect table of a split ring (VIRTIO 2.7.5.3).
 *
 * @returns the descriptor that refers to it
 */
export function tableOf(
  memory: SuiteMemory,
  descriptors: readonly RawDescriptor[],
  { alignment = 16, region }: { alignment?: number; region?: number } = {},
): RawDescriptor {
  const table = memory.allocate(16 * descriptors.length, alignment, region);
  return writeIndirectTable("split", table, linked(descriptors));
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
