import type { Direction } from "../../core/protocol/index.ts";

/**
 * The header before each packet of LINKTYPE_USER0: what the bytes of a message do not say. Custom
 * options of pcapng are not shown by Wireshark 4.0 and 4.4, so it is part of the packet. Little-endian:
 *
 * | offset | size | field |
 * | ------ | ---- | ----- |
 * | 0      | 3    | `VHU` |
 * | 3      | 1    | version, 1 |
 * | 4      | 2    | length of this header with its items; the message's own header follows |
 * | 6      | 1    | {@link PacketKind} |
 * | 7      | 1    | the side that sent the message or ended the connection: 0 none, 1 front-end, 2 back-end |
 * | 8      | 1    | the side whose requests the socket carries: 1 front-end (main socket), 2 back-end |
 * | 9      | 1    | bit 0: the side that answers on this socket sent the message; bit 1: the payload is an acknowledgement |
 * | 10     | 2    | virtio device id; 0: not known |
 * | 12     | 4    | session, from 0 |
 * | 16     | 4    | number of the message in its session, from 1; 0: the packet is about none |
 * | 20     | 4    | number of the request that this reply answers; 0: none |
 * | 24     | 8    | nanoseconds since the trace began |
 * | 32     | 8    | nanoseconds between request and reply, or that a request has waited |
 * | 40     |      | items: type (2), length n (2), n bytes, without padding |
 *
 * An item is UTF-8 text whose parts are separated by NUL; {@link ItemType} lists them.
 */
export interface PseudoHeader {
  readonly kind: number;
  readonly from: Direction | undefined;
  readonly channel: Direction;
  readonly isReply: boolean;
  /** Of the replies that a request may have, the form is not always clear from its size. */
  readonly isAcknowledgement?: boolean | undefined;
  readonly device: number;
  readonly session: number;
  readonly number: number;
  readonly answers: number;
  readonly elapsed: bigint;
  readonly waited: bigint;
  readonly items: readonly PseudoItem[];
}

/** The subject of a packet. */
export const PacketKind = {
  /** A message as its sender sent it. */
  Message: 0,
  Opened: 1,
  Closed: 2,
  ChannelClosed: 3,
  /** A reply is late; no message follows. */
  Waiting: 4,
  /** An interceptor did something to a message; what it sent on follows, if it sent anything. */
  Action: 5,
} as const;

/** The types of items, and the parts of each. */
export const ItemType = {
  /** The payload in words. */
  Text: 1,
  /** Rule that the message breaks; section of the specification. */
  Violation: 2,
  /** Name, role, kind of the kernel object, its identity, its size in bytes, its name. */
  Descriptor: 3,
  /** The incident that a packet without message reports. */
  Note: 4,
  /** The action of an interceptor. */
  Action: 5,
  /** The way in which a connection ended. */
  Ending: 6,
} as const;

/** An item: its type, and its parts. */
export type PseudoItem = readonly [type: number, ...parts: string[]];

const MAGIC = "VHU";
const VERSION = 1;
const FIXED_BYTES = 40;
/** More than 253 descriptors or any rule need; what a hostile name has beyond it is cut. */
const LONGEST_PART = 512;
const LONGEST_HEADER = 0xffff;

/** Encodes a pseudo-header. Items that do not fit into 64 KiB are left out. */
export function encodePseudoHeader(header: PseudoHeader): Buffer {
  const fixed = Buffer.alloc(FIXED_BYTES);
  fixed.write(MAGIC, 0, "latin1");
  fixed.writeUInt8(VERSION, 3);
  fixed.writeUInt8(header.kind, 6);
  fixed.writeUInt8(sideNumber(header.from), 7);
  fixed.writeUInt8(sideNumber(header.channel), 8);
  fixed.writeUInt8((header.isReply ? 1 : 0) | (header.isAcknowledgement === true ? 2 : 0), 9);
  fixed.writeUInt16LE(header.device, 10);
  fixed.writeUInt32LE(header.session >>> 0, 12);
  fixed.writeUInt32LE(header.number >>> 0, 16);
  fixed.writeUInt32LE(header.answers >>> 0, 20);
  fixed.writeBigUInt64LE(BigInt.asUintN(64, header.elapsed), 24);
  fixed.writeBigUInt64LE(BigInt.asUintN(64, header.waited), 32);
  const parts: Buffer[] = [fixed];
  let length = FIXED_BYTES;
  for (const item of header.items) {
    const bytes = itemBytes(item);
    if (length + bytes.length > LONGEST_HEADER) break;
    length += bytes.length;
    parts.push(bytes);
  }
  fixed.writeUInt16LE(length, 4);
  return Buffer.concat(parts);
}

function itemBytes([type, ...parts]: PseudoItem): Buffer {
  const clean = parts.map((part) => part.replaceAll("\0", " ").slice(0, LONGEST_PART));
  const value = Buffer.from(clean.join("\0"));
  const head = Buffer.alloc(4);
  head.writeUInt16LE(type, 0);
  head.writeUInt16LE(value.length, 2);
  return Buffer.concat([head, value]);
}

function sideNumber(side: Direction | undefined): number {
  if (side === undefined) return 0;
  return side === "front-end" ? 1 : 2;
}
