import type { Ipv4Packet } from "./ethernet.ts";

/** Packets that wait for more of their fragments; the one that waits longest makes room. */
const MAX_WAITING = 16;
/** Fragments of one packet. The smallest MTU that IPv4 allows makes 1,365 of the largest packet. */
const MAX_FRAGMENTS = 1400;
/** Largest payload of a packet: RFC 791 counts its length, header included, in 16 bits. */
const MAX_PAYLOAD_BYTES = 0xffff - 20;

/** A packet whose fragments have arrived in part. */
interface Waiting {
  readonly parts: { readonly at: number; readonly bytes: Uint8Array }[];
  /** Bytes that have arrived. */
  have: number;
  /** Length of the whole payload; known once the last fragment is there. */
  total: number | undefined;
}

/** A packet with all of its payload, and the size of the largest packet in which it came. */
export interface WholePacket {
  readonly packet: Ipv4Packet;
  /** Bytes of an IPv4 packet, header included, that the sender takes for small enough. */
  readonly packetBytes: number;
}

/**
 * Puts the fragments of IPv4 packets together (RFC 791 3.2). They come from a guest: what overlaps,
 * has a hole at its end or is too long is dropped as a whole (as RFC 5722 asks it for IPv6), and the
 * memory that waits is bounded.
 */
export class Reassembly {
  readonly #waiting = new Map<string, Waiting & { largest: number }>();

  /** Packets of which only a part has arrived. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /**
   * Takes a packet or a fragment; it is only borrowed.
   *
   * @returns the packet, once all of it is there
   */
  add(packet: Ipv4Packet): WholePacket | undefined {
    const bytes = 20 + packet.payload.length;
    if (!packet.fragment) return { packet, packetBytes: bytes };
    const key = [packet.source, packet.destination, packet.protocol, packet.id].join(" ");
    const whole = this.#waiting.get(key) ?? this.#begin(key);
    whole.largest = Math.max(whole.largest, bytes);
    if (!put(whole, packet)) {
      this.#waiting.delete(key);
      return undefined;
    }
    if (whole.have !== whole.total) return undefined;
    this.#waiting.delete(key);
    const payload = new Uint8Array(whole.total);
    for (const { at, bytes: part } of whole.parts) payload.set(part, at);
    return { packet: { ...packet, fragment: false, payload }, packetBytes: whole.largest };
  }

  #begin(key: string): Waiting & { largest: number } {
    const [oldest] = this.#waiting.keys();
    if (this.#waiting.size >= MAX_WAITING && oldest !== undefined) this.#waiting.delete(oldest);
    const fresh = { parts: [], have: 0, total: undefined, largest: 0 };
    this.#waiting.set(key, fresh);
    return fresh;
  }
}

/** Keeps a fragment; false if the packet cannot become whole with it. */
function put(whole: Waiting, { fragmentOffset: at, moreFragments, payload }: Ipv4Packet): boolean {
  const end = at + payload.length;
  // The lengths of all but the last fragment are multiples of 8.
  if (moreFragments && (payload.length === 0 || payload.length % 8 !== 0)) return false;
  if (end > MAX_PAYLOAD_BYTES || whole.parts.length >= MAX_FRAGMENTS) return false;
  if (whole.parts.some((part) => at < part.at + part.bytes.length && part.at < end)) {
    // A repetition of what is there does no harm.
    return whole.parts.some((part) => part.at === at && part.bytes.length === payload.length);
  }
  if (!moreFragments) {
    if (whole.total !== undefined) return false;
    whole.total = end;
  }
  if (whole.total !== undefined) {
    const { total } = whole;
    if (end > total || whole.parts.some((part) => part.at + part.bytes.length > total))
      return false;
  }
  whole.parts.push({ at, bytes: payload.slice() });
  whole.have += payload.length;
  return true;
}
