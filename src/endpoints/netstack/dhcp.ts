import {
  decodeEthernet,
  decodeIpv4,
  decodeUdp,
  EtherType,
  formatAddress,
  formatMac,
  IpProtocol,
  u16,
} from "./ethernet.ts";

/** Values of option 53, RFC 2132 9.6. */
export const DhcpType = {
  Discover: 1,
  Offer: 2,
  Request: 3,
  Decline: 4,
  Ack: 5,
  Nak: 6,
  Release: 7,
  Inform: 8,
} as const;

export const DHCP_SERVER_PORT = 67;
export const DHCP_CLIENT_PORT = 68;

const FIXED_BYTES = 236;
const MAGIC_COOKIE = 0x63825363;
const Option = {
  Pad: 0,
  Mask: 1,
  Router: 3,
  RequestedAddress: 50,
  LeaseSeconds: 51,
  Type: 53,
  ServerId: 54,
  End: 255,
} as const;

/** The id of the conversation and its present step. */
export interface DhcpMessage {
  /** {@link DhcpType}, or an undefined number. */
  readonly type: number;
  readonly fromClient: boolean;
  /** Chosen by the client. */
  readonly xid: number;
  readonly clientMac: string;
  /** The address that the client asks for (option 50). */
  readonly requestedAddress?: string;
  /** The address that the client gets. */
  readonly yourAddress: string;
  /** The server that the message is for (option 54). */
  readonly server?: string;
  /** The netmask of the client's network (option 1), as `255.255.255.0`. */
  readonly mask?: string;
  /** The first router of the list, for packets to other networks (option 3). */
  readonly router?: string;
  /** Seconds for which the client may keep the address (option 51). */
  readonly leaseSeconds?: number;
}

/**
 * RFC 2131: 0:1 op, 1:1 1 (Ethernet), 2:1 6, 4:4 xid, 16:4 your address, 28:16 client hardware
 * address, 236:4 cookie, options. Undefined for anything else, a BOOTP message without type included.
 */
export function decodeDhcp(payload: Uint8Array): DhcpMessage | undefined {
  const op = payload[0] ?? 0;
  if (payload.length < FIXED_BYTES + 4 || (op !== 1 && op !== 2)) return undefined;
  if (u16(payload, 1) !== 0x0106 || u32(payload, FIXED_BYTES) !== MAGIC_COOKIE) return undefined;
  const options = readOptions(payload.subarray(FIXED_BYTES + 4));
  const type = options.get(Option.Type);
  if (type?.length !== 1) return undefined;
  const requested = options.get(Option.RequestedAddress);
  const server = options.get(Option.ServerId);
  const mask = options.get(Option.Mask);
  const router = options.get(Option.Router);
  const lease = options.get(Option.LeaseSeconds);
  return {
    type: type[0] ?? 0,
    fromClient: op === 1,
    xid: u32(payload, 4),
    clientMac: formatMac(payload, 28),
    yourAddress: formatAddress(payload, 16),
    ...(requested?.length === 4 ? { requestedAddress: formatAddress(requested, 0) } : {}),
    ...(server?.length === 4 ? { server: formatAddress(server, 0) } : {}),
    ...(mask?.length === 4 ? { mask: formatAddress(mask, 0) } : {}),
    ...(router !== undefined && router.length >= 4 ? { router: formatAddress(router, 0) } : {}),
    ...(lease?.length === 4 ? { leaseSeconds: u32(lease, 0) } : {}),
  };
}

/** The DHCP message in a frame, if there is one. */
export function dhcpOf(frame: Uint8Array): DhcpMessage | undefined {
  const ethernet = decodeEthernet(frame);
  if (ethernet?.type !== EtherType.Ipv4) return undefined;
  const packet = decodeIpv4(ethernet.payload);
  if (packet?.protocol !== IpProtocol.Udp || packet.fragment) return undefined;
  const datagram = decodeUdp(packet.payload);
  if (datagram === undefined) return undefined;
  const { sourcePort, destinationPort } = datagram;
  const isDhcp =
    (sourcePort === DHCP_CLIENT_PORT && destinationPort === DHCP_SERVER_PORT) ||
    (sourcePort === DHCP_SERVER_PORT && destinationPort === DHCP_CLIENT_PORT);
  return isDhcp ? decodeDhcp(datagram.payload) : undefined;
}

/** The first of each option; what follows one that is cut off does not count. */
function readOptions(bytes: Uint8Array): ReadonlyMap<number, Uint8Array> {
  const options = new Map<number, Uint8Array>();
  for (let at = 0; at < bytes.length;) {
    const code = bytes[at] ?? 0;
    if (code === Option.End) break;
    if (code === Option.Pad) {
      at += 1;
      continue;
    }
    const length = bytes[at + 1];
    if (length === undefined || at + 2 + length > bytes.length) break;
    if (!options.has(code)) options.set(code, bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return options;
}

function u32(bytes: Uint8Array, at: number): number {
  return u16(bytes, at) * 0x10000 + u16(bytes, at + 2);
}
