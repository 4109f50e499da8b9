import { Deferred, TimeoutError, type WaitOptions } from "../../core/base/index.ts";
import { dhcpAskFrame } from "./build-dhcp.ts";
import { arpReply, arpRequest, parseMac, type Station } from "./build-frame.ts";
import { icmpMessage, IcmpType, ipv4Frames } from "./build-ipv4.ts";
import { type DhcpMessage, dhcpOf, DhcpType } from "./dhcp.ts";
import {
  ArpOperation,
  decodeArp,
  decodeEthernet,
  decodeIpv4,
  EtherType,
  IpProtocol,
  u16,
} from "./ethernet.ts";
import { Reassembly } from "./fragments.ts";

const DEFAULT_TIMEOUT_MS = 5000;
/** A question is asked again after this time, milliseconds: frames may get lost. */
const REPEAT_MS = 1000;
/** Bytes in front of the data of an ICMP echo: identifier and sequence number. */
const ECHO_HEADER_BYTES = 4;

/** The values that a DHCP server assigned. */
export interface DhcpLease {
  readonly address: string;
  readonly server: string;
  readonly mask: string | undefined;
  readonly router: string | undefined;
  readonly seconds: number | undefined;
}

/** A caller that waits for an answer. */
interface Listener {
  readonly hear: (frame: Uint8Array) => void;
}

/**
 * One station on an Ethernet, as far as it takes to ask: who has an address (ARP), is a station
 * there (ICMP echo), what address may I have (DHCP). Answers who asks for its own address.
 *
 * @example
 * ```ts
 * import { Client } from "vhost-user";
 * import { NET_DRIVER_FEATURES, NetDriver, NetStation } from "vhost-user/devices/net";
 *
 * const client = await Client.connect("net.sock", { deviceFeatures: NET_DRIVER_FEATURES });
 * const driver = await NetDriver.start(client, { onFrame: (frame) => station.receive(frame) });
 * const station = new NetStation("02:00:00:00:00:01", (frame) => driver.send(frame));
 * console.log(await station.lease(1, { timeoutMs: 1000 }));
 * await client.close();
 * ```
 */
export class NetStation {
  readonly mac: string;
  readonly #transmit: (frame: Uint8Array) => void;
  readonly #listeners = new Set<Listener>();
  #address: string | undefined;

  /**
   * @param transmit sends a frame; what it cannot send is lost
   * @throws {UsageError} no MAC address
   */
  constructor(mac: string, transmit: (frame: Uint8Array) => void) {
    parseMac(mac);
    this.mac = mac.toLowerCase();
    this.#transmit = transmit;
  }

  /** Takes a frame that arrived. It is only borrowed. */
  receive(frame: Uint8Array): void {
    const ethernet = decodeEthernet(frame);
    const arp = ethernet?.type === EtherType.Arp ? decodeArp(ethernet.payload) : undefined;
    if (arp?.operation === ArpOperation.Request && arp.targetAddress === this.#address) {
      const own = { mac: this.mac, address: arp.targetAddress };
      this.#transmit(arpReply(own, { mac: arp.senderMac, address: arp.senderAddress }));
    }
    for (const { hear } of this.#listeners) hear(frame);
  }

  /**
   * The MAC address behind an address.
   *
   * @throws {TimeoutError} no station answered
   */
  async resolve(source: string, address: string, wait?: WaitOptions): Promise<string> {
    this.#address = source;
    return this.#ask(
      [arpRequest({ mac: this.mac, address: source }, address)],
      (frame) => {
        const ethernet = decodeEthernet(frame);
        const arp = ethernet?.type === EtherType.Arp ? decodeArp(ethernet.payload) : undefined;
        if (arp?.operation !== ArpOperation.Reply || arp.senderAddress !== address)
          return undefined;
        return arp.senderMac;
      },
      (ms) => `no station answered within ${ms} ms that it has ${address}`,
      wait,
    );
  }

  /**
   * One ICMP echo; resolves with the time there and back, milliseconds. Data that does not fit into
   * a packet of 1500 bytes goes in fragments.
   *
   * @throws {TimeoutError} no reply, or a reply with changed data
   */
  async echo(
    source: string,
    target: Station,
    { id, sequence, data }: { id: number; sequence: number; data: Uint8Array },
    wait?: WaitOptions,
  ): Promise<number> {
    this.#address = source;
    const body = new Uint8Array(ECHO_HEADER_BYTES + data.length);
    body.set([id >>> 8, id & 0xff, sequence >>> 8, sequence & 0xff]);
    body.set(data, ECHO_HEADER_BYTES);
    const own = { mac: this.mac, address: source };
    const message = icmpMessage(IcmpType.EchoRequest, body);
    const fragments = new Reassembly();
    const started = performance.now();
    return this.#ask(
      ipv4Frames(own, target, IpProtocol.Icmp, message, { id: sequence & 0xffff }),
      (frame) => {
        const ethernet = decodeEthernet(frame);
        if (ethernet?.type !== EtherType.Ipv4 || ethernet.destination !== this.mac)
          return undefined;
        const part = decodeIpv4(ethernet.payload);
        if (part?.protocol !== IpProtocol.Icmp || part.source !== target.address) return undefined;
        const payload = fragments.add(part)?.packet.payload;
        if (payload === undefined) return undefined;
        if (payload[0] !== IcmpType.EchoReply || payload.length !== 4 + body.length)
          return undefined;
        if (u16(payload, 4) !== id || u16(payload, 6) !== sequence) return undefined;
        if (!body.every((byte, i) => byte === payload[4 + i])) return undefined;
        return performance.now() - started;
      },
      (ms) => `no reply to echo ${sequence} within ${ms} ms`,
      wait,
      Infinity,
    );
  }

  /**
   * Gets an address: DISCOVER, OFFER, REQUEST, ACK.
   *
   * @param onMessage sees what the server said
   * @throws {TimeoutError} no server answered, or it refused what it had offered
   */
  async lease(
    xid: number,
    wait?: WaitOptions,
    onMessage: (message: DhcpMessage) => void = () => undefined,
  ): Promise<DhcpLease> {
    const { mac } = this;
    const answer = async (
      type: number,
      ask: { type: number; requestedAddress?: string; server?: string | undefined },
      name: string,
    ): Promise<DhcpMessage> =>
      this.#ask(
        [dhcpAskFrame({ ...ask, xid, mac })],
        (frame) => {
          const dhcp = dhcpOf(frame);
          if (dhcp === undefined || dhcp.fromClient || dhcp.xid !== xid || dhcp.clientMac !== mac)
            return undefined;
          return dhcp.type === type ? dhcp : undefined;
        },
        (ms) => `no DHCP server answered with ${name} within ${ms} ms`,
        wait,
      );
    const offer = await answer(DhcpType.Offer, { type: DhcpType.Discover }, "OFFER");
    onMessage(offer);
    const request = {
      type: DhcpType.Request,
      requestedAddress: offer.yourAddress,
      server: offer.server,
    };
    const ack = await answer(DhcpType.Ack, request, "ACK");
    onMessage(ack);
    return {
      address: ack.yourAddress,
      server: ack.server ?? offer.server ?? "0.0.0.0",
      mask: ack.mask,
      router: ack.router,
      seconds: ack.leaseSeconds,
    };
  }

  async #ask<T>(
    frames: readonly Uint8Array[],
    understand: (frame: Uint8Array) => T | undefined,
    tooLate: (ms: number) => string,
    wait: WaitOptions = {},
    repeatMs = REPEAT_MS,
  ): Promise<T> {
    const timeoutMs = wait.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const answered = new Deferred<T>(
      { ...wait, timeoutMs },
      () => new TimeoutError(tooLate(timeoutMs)),
    );
    const listener: Listener = {
      hear: (heard) => {
        const answer = understand(heard);
        if (answer !== undefined) answered.resolve(answer);
      },
    };
    this.#listeners.add(listener);
    const transmit = (): void => {
      for (const frame of frames) this.#transmit(frame);
    };
    transmit();
    const again = repeatMs === Infinity ? undefined : setInterval(transmit, repeatMs);
    try {
      return await answered.promise;
    } finally {
      clearInterval(again);
      this.#listeners.delete(listener);
    }
  }
}
