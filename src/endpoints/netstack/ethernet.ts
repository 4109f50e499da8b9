/**
 * Decodes Ethernet, ARP, IPv4, UDP and DHCP as far as describing a frame needs it. Frames come from
 * a guest and are untrusted: a decoder returns undefined for other bytes, and never throws.
 * Payloads are views; nothing is copied.
 */

/** Numbers that follow the addresses of a frame. */
export const EtherType = {
  Ipv4: 0x0800,
  Arp: 0x0806,
  Rarp: 0x8035,
  Vlan: 0x8100,
  Ipv6: 0x86dd,
} as const;
/** Numbers of the protocols in an IPv4 packet. */
export const IpProtocol = { Icmp: 1, Tcp: 6, Udp: 17 } as const;
/** ARP operations. */
export const ArpOperation = { Request: 1, Reply: 2 } as const;

/** Bytes of a frame's addresses and type. */
export const ETHERNET_HEADER_BYTES = 14;

export interface EthernetFrame {
  /** A text such as `52:54:00:12:34:56`. */
  readonly destination: string;
  readonly source: string;
  /** 802.1Q tag, if there is one. */
  readonly vlan?: number;
  readonly type: number;
  readonly payload: Uint8Array;
}

export interface ArpPacket {
  readonly operation: number;
  readonly senderMac: string;
  /** A text such as `10.0.2.15`. */
  readonly senderAddress: string;
  readonly targetMac: string;
  readonly targetAddress: string;
}

export interface Ipv4Packet {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  /** Shared by the fragments of one packet. */
  readonly id: number;
  /** Part of a larger packet: the payload does not begin with, or does not hold, all of it. */
  readonly fragment: boolean;
  /** Bytes of the whole packet's payload in front of this one. */
  readonly fragmentOffset: number;
  readonly moreFragments: boolean;
  readonly payload: Uint8Array;
}

export interface UdpDatagram {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly payload: Uint8Array;
}

/** Destination 0:6, source 6:6, [0x8100 12:2, tag 14:2], type, payload. */
export function decodeEthernet(frame: Uint8Array): EthernetFrame | undefined {
  if (frame.length < ETHERNET_HEADER_BYTES) return undefined;
  const destination = formatMac(frame, 0);
  const source = formatMac(frame, 6);
  const type = u16(frame, 12);
  if (type !== EtherType.Vlan) {
    return { destination, source, type, payload: frame.subarray(ETHERNET_HEADER_BYTES) };
  }
  if (frame.length < ETHERNET_HEADER_BYTES + 4) return undefined;
  const vlan = u16(frame, 14) & 0xfff;
  return { destination, source, vlan, type: u16(frame, 16), payload: frame.subarray(18) };
}

/** RFC 826, Ethernet and IPv4 only: 0:2 1, 2:2 0x800, 4:1 6, 5:1 4, 6:2 operation, addresses. */
export function decodeArp(payload: Uint8Array): ArpPacket | undefined {
  if (payload.length < 28) return undefined;
  if (u16(payload, 0) !== 1 || u16(payload, 2) !== EtherType.Ipv4 || u16(payload, 4) !== 0x0604)
    return undefined;
  return {
    operation: u16(payload, 6),
    senderMac: formatMac(payload, 8),
    senderAddress: formatAddress(payload, 14),
    targetMac: formatMac(payload, 18),
    targetAddress: formatAddress(payload, 24),
  };
}

/**
 * Decodes an IPv4 packet (RFC 791). It ignores checksums, as a guest may leave them to offloads.
 */
export function decodeIpv4(payload: Uint8Array): Ipv4Packet | undefined {
  const [versionAndLength = 0] = payload;
  const headerBytes = (versionAndLength & 0xf) * 4;
  if (versionAndLength >> 4 !== 4 || headerBytes < 20 || payload.length < headerBytes)
    return undefined;
  const total = u16(payload, 2);
  // Short frames are padded to 60 bytes: what is behind `total` does not belong to the packet.
  if (total < headerBytes || total > payload.length) return undefined;
  return {
    source: formatAddress(payload, 12),
    destination: formatAddress(payload, 16),
    protocol: payload[9] ?? 0,
    id: u16(payload, 4),
    fragmentOffset: (u16(payload, 6) & 0x1fff) * 8,
    moreFragments: (u16(payload, 6) & 0x2000) !== 0,
    // More fragments, or an offset.
    fragment: (u16(payload, 6) & 0x3fff) !== 0,
    payload: payload.subarray(headerBytes, total),
  };
}

/** RFC 768: 0:2 source port, 2:2 destination port, 4:2 length, 6:2 check sum. */
export function decodeUdp(payload: Uint8Array): UdpDatagram | undefined {
  if (payload.length < 8) return undefined;
  const length = u16(payload, 4);
  if (length < 8 || length > payload.length) return undefined;
  return {
    sourcePort: u16(payload, 0),
    destinationPort: u16(payload, 2),
    payload: payload.subarray(8, length),
  };
}

/** Six bytes as `52:54:00:12:34:56`; the bytes are there. */
export function formatMac(bytes: Uint8Array, at: number): string {
  const parts: string[] = [];
  for (let i = at; i < at + 6; i += 1) parts.push((bytes[i] ?? 0).toString(16).padStart(2, "0"));
  return parts.join(":");
}

/** Four bytes as `10.0.2.15`; the bytes are there. */
export function formatAddress(bytes: Uint8Array, at: number): string {
  return bytes.subarray(at, at + 4).join(".");
}

/** Big-endian, as everything in here; the bytes are there. */
export function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}
