import type { GuestBuffer } from "../../../../core/memory/index.ts";
import { DescriptorFlag } from "../../../../core/virtqueue/index.ts";
import type { ProbeRequest } from "./kit.ts";
import type { SuiteMemory } from "./memory.ts";

/** What a descriptor names. */
export interface Piece {
  /** Guest address; anything that fits 64 bits. */
  readonly address: number | bigint;
  readonly length: number;
  /** Device-writable. */
  readonly write?: boolean;
  /** Flags besides those that follow from the place in the chain. */
  readonly flags?: number;
}

/** A request as it lies in memory, a piece a buffer. */
export function piecesOf({
  readable,
  writable,
}: Pick<ProbeRequest, "readable" | "writable">): Piece[] {
  const piece = (buffer: GuestBuffer, write: boolean): Piece => ({
    address: buffer.address,
    length: buffer.bytes.length,
    write,
  });
  return [
    ...readable.map((buffer) => piece(buffer, false)),
    ...writable.map((buffer) => piece(buffer, true)),
  ];
}

/** A piece in parts of these lengths, and the rest of it. */
function split(piece: Piece, lengths: readonly number[]): Piece[] {
  const parts: Piece[] = [];
  let at = 0;
  for (const length of [...lengths, piece.length]) {
    const part = Math.min(length, piece.length - at);
    if (part > 0) parts.push({ ...piece, address: Number(piece.address) + at, length: part });
    at += part;
  }
  return parts;
}

/** The first piece in parts of these lengths, and the rest of it; the others as they are. */
export function cutFirst(pieces: readonly Piece[], lengths: readonly number[]): Piece[] {
  return pieces.flatMap((piece, i) => (i === 0 ? split(piece, lengths) : piece));
}

/** The longest piece in parts that are about equal, so that there are `count` pieces in all. */
export function cutInto(pieces: readonly Piece[], count: number): Piece[] {
  const longest = Math.max(...pieces.map(({ length }) => length));
  const at = pieces.findIndex(({ length }) => length === longest);
  const parts = count - pieces.length + 1;
  const each = Math.floor(longest / parts);
  const lengths = Array.from({ length: parts - 1 }, () => each);
  return pieces.flatMap((piece, i) => (i === at ? split(piece, lengths) : piece));
}

/** An indirect table, VIRTIO 2.7.5.3, of a split ring; as the piece that names it. */
export function tableOf(
  memory: SuiteMemory,
  pieces: readonly Piece[],
  { alignment = 16, region }: { alignment?: number; region?: number } = {},
): Piece {
  const table = memory.allocate(16 * pieces.length, alignment, region);
  const view = viewOf(table.bytes);
  pieces.forEach((piece, i) => writePiece(view, i, piece, i + 1 < pieces.length ? i + 1 : 0));
  return { address: table.address, length: 16 * pieces.length, flags: DescriptorFlag.Indirect };
}

/** @param next descriptor behind it; 0: it is the last one, unless its own flags say otherwise */
export function writePiece(
  view: DataView,
  at: number,
  { address, length, write, flags = 0 }: Piece,
  next: number,
  linked = next !== 0,
): void {
  const link = linked ? DescriptorFlag.Next : 0;
  view.setBigUint64(16 * at, BigInt.asUintN(64, BigInt(address)), true);
  view.setUint32(16 * at + 8, length, true);
  view.setUint16(16 * at + 12, flags | link | (write ? DescriptorFlag.Write : 0), true);
  view.setUint16(16 * at + 14, next, true);
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
