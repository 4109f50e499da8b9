import { UsageError } from "../../core/base/index.ts";
import { dhcpAnswerFrame } from "./build-dhcp.ts";
import {
  arpReply,
  checksum,
  icmpFrame,
  IcmpType,
  parseAddress,
  parseMac,
  type Station,
} from "./build-frame.ts";
import { type DhcpMessage, dhcpOf, DhcpType } from "./dhcp.ts";
import {
  ArpOperation,
  decodeArp,
  decodeEthernet,
  decodeIpv4,
  type EthernetFrame,
  EtherType,
  formatAddress,
  IpProtocol,
} from "./ethernet.ts";

const DEFAULT_LEASE_SECONDS = 3600;

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
 * The one other station of a network with one guest: answers ARP, ICMP echo (ping) and DHCP, so
 * that a guest gets an address and sees that the network works. Takes any bytes.
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

  /** The answer to a frame; undefined if it asks nothing of us. */
  answer(frame: Uint8Array): Uint8Array | undefined {
    const ethernet = decodeEthernet(frame);
    if (ethernet === undefined || ethernet.vlan !== undefined) return undefined;
    if (ethernet.type === EtherType.Arp) return this.#answerArp(ethernet.payload);
    if (ethernet.type !== EtherType.Ipv4) return undefined;
    const dhcp = dhcpOf(frame);
    if (dhcp?.fromClient) return this.#answerDhcp(dhcp);
    return ethernet.destination === this.mac ? this.#answerEcho(ethernet) : undefined;
  }

  #answerArp(payload: Uint8Array): Uint8Array | undefined {
    const arp = decodeArp(payload);
    if (arp?.operation !== ArpOperation.Request || arp.targetAddress !== this.address)
      return undefined;
    return arpReply(this, { mac: arp.senderMac, address: arp.senderAddress });
  }

  #answerEcho({ source, payload }: EthernetFrame): Uint8Array | undefined {
    const packet = decodeIpv4(payload);
    if (packet?.protocol !== IpProtocol.Icmp || packet.fragment) return undefined;
    if (packet.destination !== this.address) return undefined;
    const message = packet.payload;
    if (message.length < 8 || message[0] !== IcmpType.EchoRequest || checksum(message) !== 0)
      return undefined;
    const to = { mac: source, address: packet.source };
    return icmpFrame(this, to, IcmpType.EchoReply, message.subarray(4));
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

function toNumber(address: string): number {
  const [a = 0, b = 0, c = 0, d = 0] = parseAddress(address);
  return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
}

function toText(address: number): string {
  return formatAddress(Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address), 0);
}
