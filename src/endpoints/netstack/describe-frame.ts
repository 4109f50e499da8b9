import { counted } from "../../core/base/index.ts";
import { DhcpType, dhcpOf } from "./dhcp.ts";
import {
  ArpOperation,
  decodeArp,
  decodeEthernet,
  decodeIpv4,
  decodeUdp,
  EtherType,
  type Ipv4Packet,
  IpProtocol,
} from "./ethernet.ts";

/**
 * A frame on one line: who sends what to whom, as far as it is understood. Takes any bytes.
 *
 *     52:54:00:12:34:56 > ff:ff:ff:ff:ff:ff DHCP DISCOVER xid=0x5a1c from 52:54:00:12:34:56, 437 bytes
 */
export function describeFrame(frame: Uint8Array): string {
  const ethernet = decodeEthernet(frame);
  if (ethernet === undefined) return `no Ethernet frame, ${counted(frame.length, "byte")}`;
  const { source, destination, vlan } = ethernet;
  const tag = vlan === undefined ? "" : ` vlan ${vlan}`;
  return `${source} > ${destination}${tag} ${contents(frame)}, ${counted(frame.length, "byte")}`;
}

function contents(frame: Uint8Array): string {
  const ethernet = decodeEthernet(frame);
  const { type = 0, payload = frame } = ethernet ?? {};
  if (type === EtherType.Arp) return describeArp(payload);
  if (type === EtherType.Rarp) return "RARP";
  if (type === EtherType.Ipv6) return "IPv6";
  if (type === EtherType.Ipv4) {
    const packet = decodeIpv4(payload);
    return packet === undefined ? "malformed IPv4" : (describeDhcp(frame) ?? describeIpv4(packet));
  }
  return `type 0x${type.toString(16).padStart(4, "0")}`;
}

function describeArp(payload: Uint8Array): string {
  const arp = decodeArp(payload);
  if (arp === undefined) return "malformed ARP";
  const { operation, senderAddress, senderMac, targetAddress } = arp;
  if (operation === ArpOperation.Request)
    return `ARP who has ${targetAddress}? ${senderAddress} asks`;
  if (operation === ArpOperation.Reply) return `ARP ${senderAddress} is at ${senderMac}`;
  return `ARP operation ${operation}`;
}

function describeDhcp(frame: Uint8Array): string | undefined {
  const dhcp = dhcpOf(frame);
  if (dhcp === undefined) return undefined;
  const { type, fromClient, xid, clientMac, yourAddress, requestedAddress } = dhcp;
  const name = Object.entries(DhcpType).find(([, number]) => number === type)?.[0];
  return [
    `DHCP ${name?.toUpperCase() ?? `type ${type}`} xid=0x${xid.toString(16)}`,
    fromClient ? `from ${clientMac}` : `${yourAddress} for ${clientMac}`,
    ...(requestedAddress === undefined ? [] : [`wants ${requestedAddress}`]),
  ].join(" ");
}

function describeIpv4(packet: Ipv4Packet): string {
  const { source, destination, protocol, fragment, payload } = packet;
  const udp = protocol === IpProtocol.Udp && !fragment ? decodeUdp(payload) : undefined;
  if (udp !== undefined) {
    return `UDP ${source}:${udp.sourcePort} > ${destination}:${udp.destinationPort}`;
  }
  const name = Object.entries(IpProtocol).find(([, number]) => number === protocol)?.[0];
  const what = name?.toUpperCase() ?? `protocol ${protocol}`;
  return `${what} ${source} > ${destination}${fragment ? " fragment" : ""}`;
}
