import { checksum, ethernetFrame, parseAddress, putU16, type Station } from "./build-frame.ts";
import { EtherType, IpProtocol, u16 } from "./ethernet.ts";

/** Makes frames with IPv4 packets: ICMP echo, UDP, and TCP resets, with their check sums. */

const IPV4_HEADER_BYTES = 20;
const UDP_HEADER_BYTES = 8;
const TCP_HEADER_BYTES = 20;
const TIME_TO_LIVE = 64;
const DONT_FRAGMENT = 0x4000;
const MORE_FRAGMENTS = 0x2000;

/** Bytes of the largest IPv4 packet in an Ethernet frame, where nothing else was agreed on. */
export const ETHERNET_MTU = 1500;

/** ICMP types, RFC 792. */
export const IcmpType = { EchoReply: 0, EchoRequest: 8 } as const;

const TcpFlag = { Fin: 1, Syn: 2, Reset: 4, Ack: 16 } as const;

/** A station's end of a UDP or TCP conversation. */
export type Port = Station & { readonly port: number };

/** The words of an IPv4 header by which fragments are put together. */
interface FragmentWords {
  readonly id: number;
  /** The word of the header with the flags and the offset. */
  readonly flagsAndOffset: number;
}

/** Builds a frame with an IPv4 packet that is not fragmented. */
export function ipv4Frame(
  from: Station,
  to: Station,
  protocol: number,
  payload: Uint8Array,
  words: FragmentWords = { id: 0, flagsAndOffset: DONT_FRAGMENT },
): Uint8Array {
  const packet = new Uint8Array(IPV4_HEADER_BYTES + payload.length);
  packet[0] = 0x45;
  putU16(packet, 2, packet.length);
  putU16(packet, 4, words.id);
  putU16(packet, 6, words.flagsAndOffset);
  packet[8] = TIME_TO_LIVE;
  packet[9] = protocol;
  packet.set(parseAddress(from.address), 12);
  packet.set(parseAddress(to.address), 16);
  putU16(packet, 10, checksum(packet.subarray(0, IPV4_HEADER_BYTES)));
  packet.set(payload, IPV4_HEADER_BYTES);
  return ethernetFrame(to.mac, from.mac, EtherType.Ipv4, packet);
}

/**
 * Builds the frames of one IPv4 packet: one, or the fragments of a packet that is longer than the
 * MTU (RFC 791 3.2).
 *
 * @param id shared by the fragments of one packet
 * @param mtu bytes of a packet, header included; at least 28
 */
export function ipv4Frames(
  from: Station,
  to: Station,
  protocol: number,
  payload: Uint8Array,
  { id, mtu = ETHERNET_MTU }: { readonly id: number; readonly mtu?: number | undefined },
): Uint8Array[] {
  if (IPV4_HEADER_BYTES + payload.length <= mtu) return [ipv4Frame(from, to, protocol, payload)];
  // The header counts the offset in units of 8 bytes.
  const step = Math.max(8, (mtu - IPV4_HEADER_BYTES) & ~7);
  const frames: Uint8Array[] = [];
  for (let at = 0; at < payload.length; at += step) {
    const more = at + step < payload.length ? MORE_FRAGMENTS : 0;
    const words = { id, flagsAndOffset: more | (at / 8) };
    frames.push(ipv4Frame(from, to, protocol, payload.subarray(at, at + step), words));
  }
  return frames;
}

/** @param body what follows the check sum: identifier, sequence number, data */
export function icmpMessage(type: number, body: Uint8Array): Uint8Array {
  const message = new Uint8Array(4 + body.length);
  message[0] = type;
  message.set(body, 4);
  putU16(message, 2, checksum(message));
  return message;
}

/** Builds the frame of an ICMP message that fits into one; see {@link icmpMessage}. */
export function icmpFrame(from: Station, to: Station, type: number, body: Uint8Array): Uint8Array {
  return ipv4Frame(from, to, IpProtocol.Icmp, icmpMessage(type, body));
}

/** Builds a UDP datagram, header included (RFC 768). */
export function udpDatagram(from: Port, to: Port, data: Uint8Array): Uint8Array {
  const datagram = new Uint8Array(UDP_HEADER_BYTES + data.length);
  putU16(datagram, 0, from.port);
  putU16(datagram, 2, to.port);
  putU16(datagram, 4, datagram.length);
  datagram.set(data, UDP_HEADER_BYTES);
  // The value 0 would mean that there is no checksum.
  putU16(datagram, 6, transportChecksum(from, to, IpProtocol.Udp, datagram) || 0xffff);
  return datagram;
}

/** Builds the frame of a UDP datagram that fits into one. */
export function udpFrame(from: Port, to: Port, data: Uint8Array): Uint8Array {
  return ipv4Frame(from, to, IpProtocol.Udp, udpDatagram(from, to, data));
}

/**
 * The answer of a station with no connection and no listener to a TCP segment: a reset (RFC 9293
 * 3.10.7.1), or undefined if the segment is one itself or is too short.
 *
 * @param segment header included
 */
export function tcpReset(from: Station, to: Station, segment: Uint8Array): Uint8Array | undefined {
  const headerBytes = ((segment[12] ?? 0) >> 4) * 4;
  const flags = segment[13] ?? 0;
  if (headerBytes < TCP_HEADER_BYTES || segment.length < headerBytes) return undefined;
  if ((flags & TcpFlag.Reset) !== 0) return undefined;
  const reset = new Uint8Array(TCP_HEADER_BYTES);
  reset.set(segment.subarray(2, 4), 0);
  reset.set(segment.subarray(0, 2), 2);
  reset[12] = (TCP_HEADER_BYTES / 4) << 4;
  if ((flags & TcpFlag.Ack) !== 0) {
    // It begins where the other side says that we are.
    reset.set(segment.subarray(8, 12), 4);
    reset[13] = TcpFlag.Reset;
  } else {
    const counted =
      segment.length - headerBytes + (flags & TcpFlag.Syn ? 1 : 0) + (flags & TcpFlag.Fin);
    const next = (((u16(segment, 4) << 16) | u16(segment, 6)) + counted) >>> 0;
    putU16(reset, 8, next >>> 16);
    putU16(reset, 10, next & 0xffff);
    reset[13] = TcpFlag.Reset | TcpFlag.Ack;
  }
  putU16(reset, 16, transportChecksum(from, to, IpProtocol.Tcp, reset));
  return ipv4Frame(from, to, IpProtocol.Tcp, reset);
}

/** The check sum of UDP and TCP, which covers the addresses, too. */
function transportChecksum(
  from: Station,
  to: Station,
  protocol: number,
  message: Uint8Array,
): number {
  const bytes = new Uint8Array(12 + message.length);
  bytes.set(parseAddress(from.address), 0);
  bytes.set(parseAddress(to.address), 4);
  bytes[9] = protocol;
  putU16(bytes, 10, message.length);
  bytes.set(message, 12);
  return checksum(bytes);
}
