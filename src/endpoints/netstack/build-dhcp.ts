import { BROADCAST_MAC, parseAddress, parseMac, putU16, type Station } from "./build-frame.ts";
import { udpFrame } from "./build-ipv4.ts";
import { DHCP_CLIENT_PORT, DHCP_SERVER_PORT } from "./dhcp.ts";

const FIXED_BYTES = 236;
/** Smallest message that old relays and clients accept. */
const MIN_BYTES = 300;
const BROADCAST_FLAG = 0x8000;
const ANY_ADDRESS = "0.0.0.0";
const BROADCAST_ADDRESS = "255.255.255.255";

const MAGIC_COOKIE = [0x63, 0x82, 0x53, 0x63];
const Option = {
  Mask: 1,
  Router: 3,
  RequestedAddress: 50,
  LeaseSeconds: 51,
  Type: 53,
  ServerId: 54,
  Parameters: 55,
  End: 255,
} as const;

/** The parameters of a client's message. */
export interface DhcpAsk {
  readonly type: number;
  readonly xid: number;
  readonly mac: string;
  /** The address it was offered. */
  readonly requestedAddress?: string | undefined;
  /** The server that offered it. */
  readonly server?: string | undefined;
}

/**
 * Makes a client's broadcast message. It asks for broadcast replies, as the client has no address
 * yet.
 */
export function dhcpAskFrame({ type, xid, mac, requestedAddress, server }: DhcpAsk): Uint8Array {
  const message = fixedPart(1, xid, mac);
  const options = [Option.Type, 1, type];
  if (requestedAddress !== undefined)
    options.push(Option.RequestedAddress, 4, ...parseAddress(requestedAddress));
  if (server !== undefined) options.push(Option.ServerId, 4, ...parseAddress(server));
  options.push(Option.Parameters, 3, Option.Mask, Option.Router, Option.LeaseSeconds);
  return udpFrame(
    { mac, address: ANY_ADDRESS, port: DHCP_CLIENT_PORT },
    { mac: BROADCAST_MAC, address: BROADCAST_ADDRESS, port: DHCP_SERVER_PORT },
    withOptions(message, options),
  );
}

/** The parameters of a server's reply. */
export interface DhcpAnswer {
  readonly type: number;
  readonly xid: number;
  readonly clientMac: string;
  readonly server: Station;
  /** The client's; undefined with a NAK. */
  readonly lease?: { readonly address: string; readonly mask: string; readonly seconds: number };
}

/** A server's message, by broadcast: a client without an address receives it in any case. */
export function dhcpAnswerFrame(answer: DhcpAnswer): Uint8Array {
  const { type, xid, clientMac, server, lease } = answer;
  const message = fixedPart(2, xid, clientMac);
  const own = parseAddress(server.address);
  const options = [Option.Type, 1, type, Option.ServerId, 4, ...own];
  if (lease !== undefined) {
    message.set(parseAddress(lease.address), 16);
    message.set(own, 20);
    options.push(Option.LeaseSeconds, 4, ...bigEndian(lease.seconds));
    options.push(Option.Mask, 4, ...parseAddress(lease.mask));
    options.push(Option.Router, 4, ...own);
  }
  return udpFrame(
    { ...server, port: DHCP_SERVER_PORT },
    { mac: BROADCAST_MAC, address: BROADCAST_ADDRESS, port: DHCP_CLIENT_PORT },
    withOptions(message, options),
  );
}

function fixedPart(op: number, xid: number, mac: string): Uint8Array {
  const bytes = new Uint8Array(FIXED_BYTES);
  bytes.set([op, 1, 6, 0, ...bigEndian(xid)]);
  putU16(bytes, 10, BROADCAST_FLAG);
  bytes.set(parseMac(mac), 28);
  return bytes;
}

function withOptions(message: Uint8Array, options: readonly number[]): Uint8Array {
  const tail = [...MAGIC_COOKIE, ...options, Option.End];
  const bytes = new Uint8Array(Math.max(MIN_BYTES, message.length + tail.length));
  bytes.set(message);
  bytes.set(tail, message.length);
  return bytes;
}

function bigEndian(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
}
