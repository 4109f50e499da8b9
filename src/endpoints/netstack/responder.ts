import { UsageError } from "../../core/base/index.ts";
import { dhcpAnswerFrame } from "./build-dhcp.ts";
import { arpReply, checksum, parseAddress, parseMac, type Station } from "./build-frame.ts";
import {
  ETHERNET_MTU,
  icmpMessage,
  IcmpType,
  ipv4Frames,
  tcpReset,
  udpDatagram,
} from "./build-ipv4.ts";
import { type DhcpMessage, dhcpOf, DhcpType } from "./dhcp.ts";
import {
  ArpOperation,
  decodeArp,
  decodeEthernet,
  decodeIpv4,
  decodeUdp,
  type EthernetFrame,
  EtherType,
  formatAddress,
  type Ipv4Packet,
  IpProtocol,
} from "./ethernet.ts";
import { Reassembly } from "./fragments.ts";

const DEFAULT_LEASE_SECONDS = 3600;
/** Its datagrams stay without an answer: two stations that echo would never stop (RFC 862). */
const ECHO_PORT = 7;

export interface ResponderOptions {
  /** Ours. Default 52:54:00:00:00:01. */
  readonly mac?: string | undefined;
  /** Ours, with the length of the network's prefix. Default 10.0.2.1/24. */
  readonly address?: string | undefined;
  /** The address that every client gets. Default: the one after the responder's own. */
  readonly lease?: string | undefined;
  readonly leaseSeconds?: number | undefined;
}

/**
 * The one other station of a network with one guest: answers ARP, ICMP echo (ping) and DHCP, sends
 * UDP datagrams back on any port, and refuses TCP connections, so that a guest gets an address and
 * sees that the network works. Fragments are put together, and long answers sent in fragments. Takes
 * any bytes.
 *
 * @example
 * ```ts
 * import { BackendServer } from "vhost-user";
 * import { NetResponder, respondingDevice } from "vhost-user/devices/net";
 *
 * const responder = new NetResponder({ address: "192.0.2.1", lease: "192.0.2.9" });
 * const server = await BackendServer.listen("station.sock", {
 *   device: () => respondingDevice(responder),
 * });
 * server.close();
 * ```
 */
export class NetResponder implements Station {
  readonly mac: string;
  readonly address: string;
  /** A text such as `255.255.255.0`. */
  readonly mask: string;
  /** The address that clients get. */
  readonly lease: string;
  readonly #leaseSeconds: number;
  readonly #fragments = new Reassembly();
  #nextId = 0;

  /** @throws {UsageError} an address that is none, or a lease outside of the network */
  constructor(options: ResponderOptions = {}) {
    const { mac = "52:54:00:00:00:01", leaseSeconds = DEFAULT_LEASE_SECONDS } = options;
    const [text = "", length = "24"] = (options.address ?? "10.0.2.1/24").split("/");
    const prefix = /^\d{1,2}$/.test(length) ? Number(length) : Number.NaN;
    if (!(prefix >= 1 && prefix <= 30))
      throw new UsageError(`the prefix length must be 1 to 30, not "${length}"`);
    if (((parseMac(mac)[0] ?? 0) & 1) !== 0)
      throw new UsageError(`${mac} is not the address of one station; give a unicast address`);
    this.mac = mac.toLowerCase();
    const mask = (0xffff_ffff << (32 - prefix)) >>> 0;
    const own = toNumber(text);
    this.address = toText(own);
    this.mask = toText(mask);
    const host = own & ~mask;
    // The one before, where the next is the network's broadcast address.
    const beside = (host + 1) >>> 0 === ~mask >>> 0 ? own - 1 : own + 1;
    const lease = options.lease === undefined ? beside : toNumber(options.lease);
    if ((lease & mask) !== (own & mask) || lease === own)
      throw new UsageError(
        `the lease must be an address of ${this.address}/${prefix} other than ${this.address}, not ${toText(lease)}`,
      );
    this.lease = toText(lease);
    this.#leaseSeconds = leaseSeconds;
  }

  /** The frames that answer a frame; none if it asks nothing of us, or not all of it is there. */
  answer(frame: Uint8Array): readonly Uint8Array[] {
    const ethernet = decodeEthernet(frame);
    if (ethernet === undefined || ethernet.vlan !== undefined) return [];
    if (ethernet.type === EtherType.Arp) return some(this.#answerArp(ethernet.payload));
    if (ethernet.type !== EtherType.Ipv4) return [];
    const dhcp = dhcpOf(frame);
    if (dhcp?.fromClient) return some(this.#answerDhcp(dhcp));
    return ethernet.destination === this.mac ? this.#answerIpv4(ethernet) : [];
  }

  #answerArp(payload: Uint8Array): Uint8Array | undefined {
    const arp = decodeArp(payload);
    if (arp?.operation !== ArpOperation.Request || arp.targetAddress !== this.address)
      return undefined;
    return arpReply(this, { mac: arp.senderMac, address: arp.senderAddress });
  }

  #answerIpv4({ source, payload }: EthernetFrame): readonly Uint8Array[] {
    const part = decodeIpv4(payload);
    if (part?.destination !== this.address) return [];
    const whole = this.#fragments.add(part);
    if (whole === undefined) return [];
    const { packet } = whole;
    const to = { mac: source, address: packet.source };
    if (packet.protocol === IpProtocol.Tcp) return some(tcpReset(this, to, packet.payload));
    const answer = echoOf(packet, this, to);
    if (answer === undefined) return [];
    this.#nextId = (this.#nextId + 1) & 0xffff;
    // A guest with a larger MTU gets answers as large as its packets.
    const mtu = Math.max(ETHERNET_MTU, whole.packetBytes);
    return ipv4Frames(this, to, packet.protocol, answer, { id: this.#nextId, mtu });
  }

  #answerDhcp(asked: DhcpMessage): Uint8Array | undefined {
    const { type, xid, clientMac, server, requestedAddress } = asked;
    const lease = { address: this.lease, mask: this.mask, seconds: this.#leaseSeconds };
    const answer = { xid, clientMac, server: this };
    if (type === DhcpType.Discover)
      return dhcpAnswerFrame({ ...answer, type: DhcpType.Offer, lease });
    if (type !== DhcpType.Request || (server !== undefined && server !== this.address))
      return undefined;
    // A client that renews names its address elsewhere.
    if (requestedAddress !== undefined && requestedAddress !== this.lease)
      return dhcpAnswerFrame({ ...answer, type: DhcpType.Nak });
    return dhcpAnswerFrame({ ...answer, type: DhcpType.Ack, lease });
  }
}

/** The payload of the packet that sends an ICMP echo or a UDP datagram back. */
function echoOf(packet: Ipv4Packet, from: Station, to: Station): Uint8Array | undefined {
  const { protocol, payload } = packet;
  if (protocol === IpProtocol.Icmp) {
    if (payload.length < 8 || payload[0] !== IcmpType.EchoRequest || checksum(payload) !== 0)
      return undefined;
    return icmpMessage(IcmpType.EchoReply, payload.subarray(4));
  }
  if (protocol !== IpProtocol.Udp) return undefined;
  const udp = decodeUdp(payload);
  // A sender whose port is 0 wants no answer (RFC 768).
  if (udp === undefined || udp.sourcePort === ECHO_PORT || udp.sourcePort === 0) return undefined;
  const ours = { mac: from.mac, address: from.address, port: udp.destinationPort };
  return udpDatagram(ours, { ...to, port: udp.sourcePort }, udp.payload);
}

function some(frame: Uint8Array | undefined): readonly Uint8Array[] {
  return frame === undefined ? [] : [frame];
}

function toNumber(address: string): number {
  const [a = 0, b = 0, c = 0, d = 0] = parseAddress(address);
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

function toText(address: number): string {
  return formatAddress(Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address), 0);
}
