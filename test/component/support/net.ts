import type { TestContext } from "node:test";
import type { RunningQueue } from "../../../src/core/runtime/index.ts";
import {
  NetDevice,
  type NetDeviceOptions,
  NetFeature,
} from "../../../src/endpoints/devices/net/index.ts";
import type { GuestBuffer } from "../../../src/core/memory/index.ts";
import { VirtioFeature } from "../../../src/core/protocol/index.ts";
import { SegmentList } from "../../../src/core/virtqueue/index.ts";
import { makeSplitRings, type RingOptions, type SplitRings } from "./rings.ts";
import { capability } from "../../support/capability.ts";

export const MODERN = VirtioFeature.Version1;
export const MERGEABLE = VirtioFeature.Version1 | NetFeature.MrgRxbuf;
/** Not written by the device. */
export const POISON = 0xee;

/** Bytes that differ at every position within 251. */
export function frameOf(length: number, start = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (start + i) % 251);
}

export interface Received {
  readonly token: number;
  readonly used: number;
  readonly bytes: Uint8Array;
}

/** A pair of rings of a network device in this process. */
export interface Card {
  readonly net: NetDevice;
  readonly frames: Uint8Array[];
  readonly rx: SplitRings & { readonly running: RunningQueue };
  readonly tx: SplitRings & { readonly running: RunningQueue };
  /** Puts a packet on the transmit ring, cut into segments of these lengths. */
  transmit(packet: Uint8Array, cuts?: readonly number[]): number;
  /** Serves the transmit ring; returns the used lengths of the completed packets. */
  serveTx(): number[];
  /** Gives the driver's receive ring a buffer, in segments of these lengths. */
  supply(...lengths: readonly number[]): number;
  /** Lets the device look at the receive ring, as a kick does. */
  serveRx(): void;
  /** What arrived at the driver: the used bytes of each buffer. */
  received(): Received[];
  /** The memory of what {@link transmit} or {@link supply} put on a ring. */
  buffer(token: number): Uint8Array;
  /** How often the device asked to be looked at. */
  wakes: number;
}

export interface CardOptions extends NetDeviceOptions, RingOptions {
  /** Acknowledged features; default MODERN. */
  readonly features?: bigint;
}

export function makeCard(t: TestContext, options: CardOptions = {}): Card {
  const { features = MODERN, onFrame, ...rest } = options;
  const frames: Uint8Array[] = [];
  const net = new NetDevice({
    ...rest,
    onFrame: (frame, pair) => {
      frames.push(frame);
      onFrame?.(frame, pair);
    },
  });
  capability(net, "lifecycle").negotiated?.(features);
  const make = (index: number): Card["rx"] => {
    const rings = makeSplitRings(t, { size: 16, bytes: 1 << 20, ...options });
    const running: RunningQueue = {
      index,
      queue: rings.device,
      publish: () => void rings.device.publish(),
      active: true,
      closed: false,
      wake: () => (card.wakes += 1),
    };
    return { ...rings, running };
  };
  const rx = make(0);
  const tx = make(1);
  const buffers = new Map<number, GuestBuffer>();
  let token = 0;
  const put = (to: SplitRings, bytes: Uint8Array, cuts: readonly number[], readable: boolean) => {
    const buffer = to.memory.allocate(Math.max(1, bytes.length));
    buffer.bytes.set(bytes);
    const segments = new SegmentList(64);
    let at = buffer.guestAddress;
    for (const length of cuts) {
      segments.push(at, length);
      at += length;
    }
    token += 1;
    if (!to.driver.add(segments, readable ? cuts.length : 0, token)) throw new Error("ring full");
    to.driver.publish();
    buffers.set(token, buffer);
    return token;
  };
  const card: Card = {
    net,
    frames,
    rx,
    tx,
    wakes: 0,
    transmit: (packet, cuts = [packet.length]) => put(tx, packet, cuts, true),
    buffer: (given) => buffers.get(given)?.bytes ?? new Uint8Array(),
    serveTx() {
      net.process(tx.running);
      tx.running.publish();
      const used: number[] = [];
      tx.driver.poll((_token, written) => used.push(written), 1000);
      return used;
    },
    supply(...lengths) {
      const length = lengths.reduce((a, b) => a + b, 0);
      return put(rx, new Uint8Array(length).fill(POISON), lengths, false);
    },
    serveRx() {
      net.process(rx.running);
      rx.running.publish();
    },
    received() {
      const list: Received[] = [];
      rx.driver.poll((given, used) => {
        const bytes = buffers.get(given)?.bytes.slice(0, used) ?? new Uint8Array();
        list.push({ token: given, used, bytes });
      }, 1000);
      return list;
    },
  };
  return card;
}

/** A packet: a header of zeros, then the frame. */
export function packetOf(frame: Uint8Array, headerBytes = 12): Uint8Array {
  const packet = new Uint8Array(headerBytes + frame.length);
  packet.set(frame, headerBytes);
  return packet;
}
