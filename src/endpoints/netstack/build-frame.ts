import { UsageError } from "../../core/base/index.ts";
import { ArpOperation, ETHERNET_HEADER_BYTES, EtherType } from "./ethernet.ts";

/**
 * Makes Ethernet frames with ARP and RARP packets. For the few frames of a conversation; each is a
 * new array.
 */

/** Shortest frame without its check sum. */
const MIN_FRAME_BYTES = 60;
const REVERSE_REQUEST = 3;

export const BROADCAST_MAC = "ff:ff:ff:ff:ff:ff";

/**
 * Six bytes from `52:54:00:12:34:56`.
 *
 * @throws {UsageError}
 */
export function parseMac(text: string): Uint8Array {
  if (!/^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i.test(text))
    throw new UsageError(`"${text}" is not a MAC address such as 52:54:00:12:34:56`);
  return Uint8Array.from(text.split(":"), (part) => Number.parseInt(part, 16));
}

/**
 * Four bytes from `10.0.2.15`.
 *
 * @throws {UsageError}
 */
export function parseAddress(text: string): Uint8Array {
  const parts = /^\d{1,3}(?:\.\d{1,3}){3}$/.test(text) ? text.split(".").map(Number) : [256];
  if (parts.some((part) => part > 255))
    throw new UsageError(`"${text}" is not an IPv4 address such as 10.0.2.15`);
  return Uint8Array.from(parts);
}

/** A frame from one MAC address to another, padded to the shortest that there is. */
export function ethernetFrame(
  destination: string,
  source: string,
  type: number,
  payload: Uint8Array,
): Uint8Array {
  const frame = new Uint8Array(Math.max(MIN_FRAME_BYTES, ETHERNET_HEADER_BYTES + payload.length));
  frame.set(parseMac(destination), 0);
  frame.set(parseMac(source), 6);
  putU16(frame, 12, type);
  frame.set(payload, ETHERNET_HEADER_BYTES);
  return frame;
}

/** One side of an ARP packet, or of an IPv4 conversation. */
export interface Station {
  readonly mac: string;
  readonly address: string;
}

/** Asks by broadcast which station has an address. */
export function arpRequest(sender: Station, address: string): Uint8Array {
  const payload = arpPayload(ArpOperation.Request, sender, { mac: "00:00:00:00:00:00", address });
  return ethernetFrame(BROADCAST_MAC, sender.mac, EtherType.Arp, payload);
}

/** Bytes in front of the payload of a frame with an 802.1Q tag. */
export const VLAN_HEADER_BYTES: number = ETHERNET_HEADER_BYTES + 4;

/**
 * Makes a broadcast request for the sender's own address (RFC 903), by which bridges learn its
 * port.
 */
export function rarpRequest(mac: Uint8Array): Uint8Array {
  const text = Array.from(mac, (byte) => byte.toString(16).padStart(2, "0")).join(":");
  const self = { mac: text, address: "0.0.0.0" };
  const payload = arpPayload(REVERSE_REQUEST, self, self);
  return ethernetFrame(BROADCAST_MAC, text, EtherType.Rarp, payload);
}

/** Answers one station that `sender` has the address. */
export function arpReply(sender: Station, target: Station): Uint8Array {
  const payload = arpPayload(ArpOperation.Reply, sender, target);
  return ethernetFrame(target.mac, sender.mac, EtherType.Arp, payload);
}

function arpPayload(operation: number, sender: Station, target: Station): Uint8Array {
  const payload = new Uint8Array(28);
  putU16(payload, 0, 1);
  putU16(payload, 2, EtherType.Ipv4);
  putU16(payload, 4, 0x0604);
  putU16(payload, 6, operation);
  payload.set(parseMac(sender.mac), 8);
  payload.set(parseAddress(sender.address), 14);
  payload.set(parseMac(target.mac), 18);
  payload.set(parseAddress(target.address), 24);
  return payload;
}

/** The Internet check sum, RFC 1071; over bytes that contain theirs it is 0. */
export function checksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) {
    sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

/** Big-endian. */
export function putU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}
