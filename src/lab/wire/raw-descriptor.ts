import { DescriptorFlag } from "../../core/virtqueue/index.ts";

/** A descriptor, with any words in it (VIRTIO 2.7.5 and 2.8.1). */
export interface RawDescriptor {
  /** Guest address; anything that fits 64 bits. */
  readonly address: number | bigint;
  /** Length in bytes. */
  readonly length: number;
  /** Device-writable: adds VIRTQ_DESC_F_WRITE to the flags. */
  readonly write?: boolean;
  /** Default 0. What makes a packed descriptor available is added by the ring. */
  readonly flags?: number;
  /** Split ring: index of the next descriptor, which counts only with VIRTQ_DESC_F_NEXT. Default 0. */
  readonly next?: number;
  /** Packed ring: buffer id. Default 0. */
  readonly id?: number;
}

/** Byte offsets of the two last half words of a descriptor. */
const TAIL = { split: { flags: 12, next: 14 }, packed: { id: 12, flags: 14 } } as const;

/** The descriptor's flags, with what its members add. */
export function flagsOf({ flags = 0, write = false }: RawDescriptor): number {
  return flags | (write ? DescriptorFlag.Write : 0);
}

/**
 * Writes one descriptor of a split ring or of its indirect table.
 *
 * @param at its index
 */
export function writeSplitDescriptor(view: DataView, at: number, descriptor: RawDescriptor): void {
  writeHead(view, at, descriptor);
  view.setUint16(16 * at + TAIL.split.flags, flagsOf(descriptor), true);
  view.setUint16(16 * at + TAIL.split.next, descriptor.next ?? 0, true);
}

/** Writes one descriptor of a packed ring's indirect table, or of the ring all but its flags. */
export function writePackedDescriptor(
  view: DataView,
  at: number,
  descriptor: RawDescriptor,
  flags: number | undefined = flagsOf(descriptor),
): void {
  writeHead(view, at, descriptor);
  view.setUint16(16 * at + TAIL.packed.id, descriptor.id ?? 0, true);
  if (flags !== undefined) view.setUint16(16 * at + TAIL.packed.flags, flags, true);
}

function writeHead(view: DataView, at: number, { address, length }: RawDescriptor): void {
  view.setBigUint64(16 * at, BigInt.asUintN(64, BigInt(address)), true);
  view.setUint32(16 * at + 8, length, true);
}

/** Links descriptors to a chain: each but the last one names its successor, from index `first` on. */
export function linked(
  descriptors: readonly RawDescriptor[],
  first: number = 0,
): readonly RawDescriptor[] {
  return descriptors.map((descriptor, i) =>
    i + 1 < descriptors.length
      ? { ...descriptor, flags: (descriptor.flags ?? 0) | DescriptorFlag.Next, next: first + i + 1 }
      : descriptor,
  );
}

/** A table of descriptors in guest memory. */
export interface TableBuffer {
  readonly bytes: Uint8Array;
  /** The address that descriptors name: guest or I/O virtual. */
  readonly address: number | bigint;
}

/**
 * Writes an indirect table (VIRTIO 2.7.5.3, 2.8.8).
 *
 * @param shift where in the buffer it begins, in bytes
 * @returns the descriptor that names it
 */
export function writeIndirectTable(
  format: "split" | "packed",
  { bytes, address }: TableBuffer,
  descriptors: readonly RawDescriptor[],
  shift: number = 0,
): RawDescriptor {
  const view = new DataView(bytes.buffer, bytes.byteOffset + shift, bytes.length - shift);
  const write = format === "split" ? writeSplitDescriptor : writePackedDescriptor;
  descriptors.forEach((descriptor, i) => write(view, i, descriptor));
  return {
    address: BigInt(address) + BigInt(shift),
    length: 16 * descriptors.length,
    flags: DescriptorFlag.Indirect,
  };
}
