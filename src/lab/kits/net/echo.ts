import {
  LONG_HEADER_BYTES,
  NetFeature,
  NUM_BUFFERS_OFFSET,
} from "../../../endpoints/devices/net/layout.ts";
import type { GuestBuffer } from "../../../core/memory/index.ts";
import type { CheckContext } from "../../conformance/kit/back-end/context.ts";
import type {
  RunningDevice,
  BringUpOptions,
} from "../../conformance/kit/back-end/running-device.ts";
import { ETHER_TYPE, FRAME_BYTES } from "./frames.ts";
import type { Completion, Ring } from "../../conformance/kit/back-end/ring.ts";

const NO_ECHO =
  "no frame is received: start the target with a program that sends frames back, " +
  "as DPDK's testpmd in io mode or `vhost-user serve net --traffic echo`";

/** Destination and source, both administered locally. */
const ADDRESSES = [0x52, 0x54, 0, 0, 0, 2, 0x52, 0x54, 0, 0, 0, 1];
/** Offset of the bytes behind the addresses, which an echo may exchange. */
const REST_AT: number = ADDRESSES.length;
/** Range of the random bytes that identify a frame. */
const MARK: readonly [number, number] = [REST_AT + ETHER_TYPE.length, 30];
/** A frame of 1514 bytes behind its header: VIRTIO 5.1.6.3.1. */
const BUFFER_BYTES = 1526;

export interface EchoOptions extends BringUpOptions {
  /** Bytes of a receive buffer. Default 1526. */
  readonly bufferBytes?: number;
  /** Receive buffers. Default: as many as the ring has room for. */
  readonly buffers?: number;
}

/** A frame of the suite, as it was received. */
export interface Packet {
  /** The frame as it was sent. */
  readonly sent: Buffer;
  /** All bytes that were written for the packet, from the header on. */
  readonly bytes: Buffer;
  /** Offset of the frame in {@link bytes}. */
  readonly frameAt: number;
  /** The number of buffers by the header. */
  readonly numBuffers: number;
  /** The buffers of the packet. */
  readonly parts: readonly Completion[];
}

/** A frame of the suite, and the bytes that identify it. */
interface Expected {
  readonly sent: Buffer;
  readonly mark: Buffer;
  readonly markAt: number;
}

/** Transmits frames to a network device and receives those that it sends back. Headers have 12 bytes. */
export class Echo {
  readonly device: RunningDevice;
  readonly receiving: Ring;
  readonly #t: CheckContext;
  readonly #bufferBytes: number;
  readonly #buffers = new Map<number, GuestBuffer>();
  /** Frames of the suite: of all pairs, as a device may return a frame on another one. */
  readonly #expected: Expected[];

  constructor(
    t: CheckContext,
    device: RunningDevice,
    { bufferBytes = BUFFER_BYTES }: EchoOptions = {},
    expected: Expected[] = [],
  ) {
    const receiving = device.rings.get(device.ring.index - 1);
    if (receiving === undefined) throw new TypeError("a network device without its rings");
    this.device = device;
    this.receiving = receiving;
    this.#t = t;
    this.#bufferBytes = bufferBytes;
    this.#expected = expected;
  }

  /** Returns another pair of rings of the same device. */
  pair(rings: readonly [receiving: Ring, transmitting: Ring]): Echo {
    const [, ring] = rings;
    const device = {
      ...this.device,
      ring,
      rings: new Map(rings.map((each) => [each.index, each])),
    };
    return new Echo(this.#t, device, { bufferBytes: this.#bufferBytes }, this.#expected);
  }

  /** Makes receive buffers available; each is followed by poison. */
  supply(count: number): void {
    for (let i = 0; i < count; i += 1) {
      const alignment = 2 ** Math.ceil(Math.log2(this.#bufferBytes + 1));
      const buffer = this.device.memory.poisoned(this.#bufferBytes, alignment);
      this.#buffers.set(this.receiving.push([], [buffer]), buffer);
    }
  }

  /**
   * Makes a frame of an EtherType that no station answers, with random content.
   *
   * @param length bytes, its addresses included
   */
  frame(length: number = FRAME_BYTES): Buffer {
    const frame = Buffer.from(Array.from({ length }, () => this.#t.random() * 256));
    frame.set([...ADDRESSES, ...ETHER_TYPE]);
    this.expect(frame, ...MARK);
    return frame;
  }

  /** Registers a frame of the suite, which is recognised by these bytes. */
  expect(sent: Buffer, from: number, to: number): void {
    this.#expected.push({ sent, mark: sent.subarray(from, to), markAt: from });
  }

  /**
   * Transmits a frame.
   *
   * @throws {CaseFailure} its buffer is not used
   */
  async transmit(frame: Uint8Array, header: Uint8Array = new Uint8Array(LONG_HEADER_BYTES)) {
    this.push(frame, header);
    await this.device.ring.expectCompletion("a frame to transmit");
  }

  /** Makes a packet available, and kicks. */
  push(frame: Uint8Array, header: Uint8Array = new Uint8Array(LONG_HEADER_BYTES)): void {
    this.device.ring.push([this.device.memory.holding(Buffer.concat([header, frame]))], []);
  }

  /**
   * Returns the next frame of the suite that is received; undefined if none within the time.
   *
   * @throws {CaseFailure} the used ring breaks its rules
   */
  async receive(timeoutMs: number = this.#t.times.callMs / 2): Promise<Packet | undefined> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const parts = await this.#packet(deadline);
      if (parts === undefined) return undefined;
      const bytes = Buffer.concat(parts.map((part) => this.#written(part)));
      const found = this.#expected.find(({ mark }) => bytes.includes(mark));
      if (found === undefined) continue;
      const { sent, mark, markAt } = found;
      // Random bytes of the suite left by one ring and arrived by another.
      this.#t.observe("data");
      const frameAt = bytes.indexOf(mark) - markAt;
      return { sent, bytes, frameAt, numBuffers: this.#numBuffers(parts), parts };
    }
  }

  /**
   * Transmits a frame and receives it; undefined if it does not arrive.
   *
   * @throws {CaseFailure}
   */
  async trip(frame: Buffer = this.frame(), header?: Uint8Array): Promise<Packet | undefined> {
    await this.transmit(frame, header);
    return this.receive();
  }

  /**
   * Transmits a frame, which must be received.
   *
   * @throws {CaseSkip} there is no echo; {@link CaseFailure}
   */
  async expectTrip(length?: number): Promise<Packet> {
    return (await this.trip(this.frame(length))) ?? this.#t.skip(NO_ECHO);
  }

  /** Returns the frames that are received, up to this one if it arrives. */
  async until(frame: Buffer): Promise<readonly Buffer[]> {
    const came: Buffer[] = [];
    do {
      const packet = await this.receive();
      if (packet === undefined) break;
      came.push(packet.sent);
    } while (came.at(-1) !== frame);
    return came;
  }

  /** Returns the buffers of the next packet of any sender; fewer than its header says if no more arrive. */
  async #packet(deadline: number): Promise<Completion[] | undefined> {
    const left = (): number => Math.max(0, deadline - performance.now());
    const parts: Completion[] = [];
    const merged = (this.device.session.virtio & NetFeature.MrgRxbuf) !== 0n;
    do {
      const part = await this.receiving.completion(left());
      if (part === undefined) break;
      parts.push(part);
    } while (merged && parts.length < this.#numBuffers(parts));
    return parts.length === 0 ? undefined : parts;
  }

  #written({ token, written }: Completion): Uint8Array {
    return this.#buffers.get(token)?.bytes.subarray(0, written) ?? new Uint8Array();
  }

  #numBuffers([first]: readonly Completion[]): number {
    const header = Buffer.from(first ? this.#written(first) : []);
    return header.length < LONG_HEADER_BYTES ? 0 : header.readUInt16LE(NUM_BUFFERS_OFFSET);
  }
}

/** Returns the part of a frame that an echo leaves unchanged: all behind the addresses. */
export function restOf(bytes: Buffer, frameAt = 0): Buffer {
  return bytes.subarray(Math.max(0, frameAt + REST_AT));
}

/**
 * A network device that runs and has receive buffers.
 *
 * @throws {CaseFailure}
 */
export async function echoOf(t: CheckContext, options: EchoOptions = {}): Promise<Echo> {
  const echo = new Echo(t, await t.bringUp(options), options);
  echo.supply(options.buffers ?? echo.receiving.size);
  return echo;
}
