/**
 * Blocks of a pcapng file (draft-ietf-opsawg-pcapng), as far as they are written here: little-endian,
 * and time in nanoseconds.
 */
const BlockType = {
  SectionHeader: 0x0a0d0d0a,
  InterfaceDescription: 1,
  InterfaceStatistics: 5,
  EnhancedPacket: 6,
} as const;

const BYTE_ORDER_MAGIC = 0x1a2b3c4d;
/** The exponent of the unit of time: 10^-9 seconds. */
const NANOSECONDS = 9;
const END_OF_OPTIONS = 0;
const LONGEST_OPTION = 0xffff;
/** Bytes of a packet that are written: Wireshark calls a file with more in one packet damaged. */
const LONGEST_PACKET = 262_144;
const LATEST = 2n ** 64n - 1n;

type Option = readonly [code: number, value: Uint8Array];

/** Starts a file. */
export function sectionHeader(application: string): Buffer {
  const body = Buffer.alloc(16);
  body.writeUInt32LE(BYTE_ORDER_MAGIC, 0);
  body.writeUInt16LE(1, 4); // Version 1.0.
  body.writeBigInt64LE(-1n, 8); // The length of the section is not known beforehand.
  return block(BlockType.SectionHeader, body, [[4, text(application)]]);
}

/** The source of packets. */
export interface PcapngInterface {
  readonly linkType: number;
  readonly name: string;
  readonly description: string;
}

/** Describes an interface; interfaces are numbered from 0 in their order in the file. */
export function interfaceDescription(described: PcapngInterface): Buffer {
  const body = Buffer.alloc(8);
  body.writeUInt16LE(described.linkType, 0);
  return block(BlockType.InterfaceDescription, body, [
    [2, text(described.name)],
    [3, text(described.description)],
    [9, Uint8Array.of(NANOSECONDS)],
  ]);
}

/** A packet that was seen on an interface. */
export interface PcapngPacket {
  readonly interface: number;
  /** Nanoseconds since 1970. */
  readonly time: bigint;
  readonly data: Uint8Array;
  readonly direction?: "in" | "out" | undefined;
  /** Equal for the same packet on two interfaces. */
  readonly packetId?: bigint | undefined;
  readonly comment?: string | undefined;
}

/** Writes a packet; one that is too long for Wireshark is cut, and its whole length is kept. */
export function enhancedPacket(packet: PcapngPacket): Buffer {
  const { data, direction, packetId, comment } = packet;
  const head = Buffer.alloc(20);
  head.writeUInt32LE(packet.interface, 0);
  writeTime(head, 4, packet.time);
  const kept = data.subarray(0, LONGEST_PACKET);
  head.writeUInt32LE(kept.length, 12);
  head.writeUInt32LE(data.length, 16);
  const options: Option[] = [];
  if (comment !== undefined) options.push([1, text(comment)]);
  if (direction !== undefined) options.push([2, number32(direction === "in" ? 1 : 2)]);
  if (packetId !== undefined) options.push([5, number64(packetId)]);
  return block(BlockType.EnhancedPacket, Buffer.concat([head, padded(kept)]), options);
}

/** The counts of an interface at the end of a file. */
export interface PcapngStatistics {
  readonly interface: number;
  /** Nanoseconds since 1970. */
  readonly time: bigint;
  readonly received: number;
  readonly dropped: number;
}

/** Writes the counts of an interface. */
export function interfaceStatistics(statistics: PcapngStatistics): Buffer {
  const body = Buffer.alloc(12);
  body.writeUInt32LE(statistics.interface, 0);
  writeTime(body, 4, statistics.time);
  return block(BlockType.InterfaceStatistics, body, [
    [4, number64(BigInt(statistics.received))],
    [5, number64(BigInt(statistics.dropped))],
  ]);
}

/** A block has its length at both ends, so that a file can be read backwards. */
function block(type: number, body: Uint8Array, options: readonly Option[]): Buffer {
  const parts = [padded(body), ...options.map(optionBytes)];
  if (options.length > 0) parts.push(Buffer.alloc(4, END_OF_OPTIONS));
  const size = 12 + parts.reduce((sum, { length }) => sum + length, 0);
  const head = Buffer.alloc(8);
  head.writeUInt32LE(type, 0);
  head.writeUInt32LE(size, 4);
  return Buffer.concat([head, ...parts, number32(size)]);
}

function optionBytes([code, value]: Option): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16LE(code, 0);
  head.writeUInt16LE(value.length, 2);
  return Buffer.concat([head, padded(value)]);
}

/** Everything in a block is aligned to 32 bits. */
function padded(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
}

/**
 * The higher half of a time comes first, whatever the byte order. A capture may claim to be of a year
 * that has no such number; the nearest one is written.
 */
function writeTime(target: Buffer, at: number, wanted: bigint): void {
  const atLeast = wanted < 0n ? 0n : wanted;
  const time = atLeast > LATEST ? LATEST : atLeast;
  target.writeUInt32LE(Number(time >> 32n), at);
  target.writeUInt32LE(Number(time & 0xffff_ffffn), at + 4);
}

function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value, 0);
  return bytes;
}

function number64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value, 0);
  return bytes;
}

function text(value: string): Uint8Array {
  return Buffer.from(value).subarray(0, LONGEST_OPTION);
}
