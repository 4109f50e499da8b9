import { counted, UsageError } from "../../../../core/base/index.ts";
import type { Client } from "../../../frontend/index.ts";
import { ProtocolFeature } from "../../../../core/protocol/index.ts";
import type { RingMode } from "../../../../core/runtime/index.ts";
import { DriverControl } from "./control.ts";
import { type DriverReceiveCounters, DriverReceiveRing } from "./receive.ts";
import { type DriverTransmitCounters, DriverTransmitRing } from "./transmit.ts";
import { LONG_HEADER_BYTES, MAX_FRAME_BYTES, NetFeature } from "../layout.ts";

const DEFAULT_QUEUE_SIZE = 256;
/** Holds any frame of an Ethernet without jumbo frames. */
const DEFAULT_BUFFER_BYTES = 2048;

export interface NetDriverOptions {
  /** Pairs of one receive and one transmit ring. Default 1; more need VIRTIO_NET_F_MQ. */
  readonly queuePairs?: number | undefined;
  /** Number of entries of each ring, and of frames that it holds: a power of two. Default 256. */
  readonly queueSize?: number | undefined;
  /**
   * Bytes of each buffer, header included. Default 2048. It limits what can be sent, and without
   * VIRTIO_NET_F_MRG_RXBUF also what can be received.
   */
  readonly bufferBytes?: number | undefined;
  /** Default `event`. */
  readonly ringMode?: RingMode | undefined;
  /**
   * Uses the device's control queue, which has to be negotiated (`NET_CONTROL_FEATURES`). Many
   * back-ends offer one and serve none, as QEMU and DPDK's front-end do so themselves. Default false.
   */
  readonly control?: boolean | undefined;
  /**
   * Called with each received frame. It must not throw.
   *
   * @param frame borrowed: it is valid until the callback returns
   */
  readonly onFrame?: ((frame: Uint8Array, pair: number) => void) | undefined;
  /** A ring broke, or the connection ended: nothing arrives any more. Called once. */
  readonly onFailed?: ((error: Error) => void) | undefined;
}

/** Sums since the driver was started. */
export interface NetDriverCounters extends DriverReceiveCounters, DriverTransmitCounters {}

/**
 * Drives a network device (VIRTIO 5.1) on the queues of a client: frames in and out.
 *
 * @example
 * ```ts
 * import { Client } from "vhost-user";
 * import { NET_DRIVER_FEATURES, NetDriver, testFrame } from "vhost-user/devices/net";
 *
 * const client = await Client.connect("net.sock", { deviceFeatures: NET_DRIVER_FEATURES });
 * const driver = await NetDriver.start(client, { onFrame: (frame) => console.log(frame.length) });
 * driver.send(testFrame(1, 60, new Uint8Array(6), new Uint8Array(6).fill(0xff)));
 * await driver.flushed();
 * await client.close();
 * ```
 */
export class NetDriver {
  readonly counters: Readonly<NetDriverCounters>;
  readonly #counters: NetDriverCounters = {
    rxFrames: 0,
    rxBytes: 0,
    rxUnused: 0,
    rxShort: 0,
    rxOverlong: 0,
    rxWrongBuffers: 0,
    rxTooLong: 0,
    rxOffloads: 0,
    txFrames: 0,
    txBytes: 0,
    txFull: 0,
  };
  readonly #receive: DriverReceiveRing[] = [];
  readonly #transmit: DriverTransmitRing[] = [];
  #control: DriverControl | undefined;
  #failure: Error | undefined;

  private constructor() {
    this.counters = this.#counters;
  }

  /**
   * Starts the rings of a client that was brought up with {@link NET_DRIVER_FEATURES}, or fewer:
   * whether buffers are mergeable has been agreed on by then.
   *
   * @throws {UsageError} more pairs than the device has, or buffers that hold no frame
   */
  static async start(client: Client, options: NetDriverOptions = {}): Promise<NetDriver> {
    const {
      queuePairs = 1,
      queueSize = DEFAULT_QUEUE_SIZE,
      bufferBytes = DEFAULT_BUFFER_BYTES,
      ringMode = "event",
      control = false,
      onFrame = () => undefined,
      onFailed = () => undefined,
    } = options;
    const [least, most] = [LONG_HEADER_BYTES + 1, LONG_HEADER_BYTES + MAX_FRAME_BYTES];
    if (!Number.isInteger(bufferBytes) || bufferBytes < least || bufferBytes > most)
      throw new UsageError(`bufferBytes must be ${least} to ${most}, not ${bufferBytes}`);
    await expectQueuePairs(client, queuePairs);
    if (control && (client.features & NetFeature.CtrlVq) === 0n)
      throw new UsageError(
        "the device does not offer a control queue (VIRTIO_NET_F_CTRL_VQ); do without it, or have the back-end offer it",
      );
    const driver = new NetDriver();
    const counters = driver.#counters;
    const failed = (error: Error): void => {
      if (driver.#failure !== undefined) return;
      driver.#failure = error;
      onFailed(error);
    };
    const ring = { size: queueSize, bufferBytes, ringMode, onFailed: failed };
    // All queues are made before the first is started, so that a lack of memory is reported before
    // the device runs.
    for (let pair = 0; pair < queuePairs; pair += 1) {
      driver.#receive.push(new DriverReceiveRing(client, { ...ring, pair }, counters, onFrame));
      driver.#transmit.push(new DriverTransmitRing(client, { ...ring, pair }, counters));
    }
    const made = control ? await DriverControl.create(client, ringMode, failed) : undefined;
    for (const [pair, receive] of driver.#receive.entries()) {
      await client.startQueue(receive.queue);
      // The buffers were published before the ring ran: a ring that is polled starts with this.
      receive.queue.publish();
      const transmit = driver.#transmit[pair];
      if (transmit !== undefined) await client.startQueue(transmit.queue);
    }
    await made?.start(client);
    driver.#control = made;
    if (queuePairs > 1) await made?.setQueuePairs(queuePairs);
    return driver;
  }

  /** The control queue, where one is used. */
  get control(): DriverControl | undefined {
    return this.#control;
  }

  get queuePairs(): number {
    return this.#transmit.length;
  }

  /** Longest frame that can be sent. */
  get maxFrameBytes(): number {
    return this.#ring(0).maxFrameBytes;
  }

  /** The reason why no more frames pass, if so. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** The outstanding frames of a pair. */
  outstanding(pair = 0): number {
    return this.#ring(pair).outstanding;
  }

  /**
   * Hands a frame to the device. The frame is only borrowed.
   *
   * @returns false: the ring is full, or the driver has failed; see {@link room}
   * @throws {RangeError} no such pair, an empty frame or one longer than {@link maxFrameBytes}
   */
  send(frame: Uint8Array, pair = 0): boolean {
    if (this.#failure !== undefined) return false;
    return this.#ring(pair).send(frame);
  }

  /**
   * Resolves once a frame can be sent.
   *
   * @throws {QueueError | PeerClosedError} the driver failed
   */
  async room(pair = 0): Promise<void> {
    await this.#whenFree(pair, 1);
  }

  /**
   * Resolves once the device has used every frame that was sent.
   *
   * @throws {QueueError | PeerClosedError} the driver failed
   */
  async flushed(): Promise<void> {
    for (const pair of this.#transmit.keys()) await this.#whenFree(pair, Infinity);
  }

  async #whenFree(pair: number, frames: number): Promise<void> {
    if (this.#failure === undefined) await this.#ring(pair).whenFree(frames);
    if (this.#failure !== undefined) throw this.#failure;
  }

  #ring(pair: number): DriverTransmitRing {
    const ring = this.#transmit[pair];
    if (ring !== undefined) return ring;
    throw new RangeError(
      `queue pair ${pair} does not exist; the driver has ${counted(this.queuePairs, "pair")}`,
    );
  }
}

/** GET_QUEUE_NUM counts pairs here, with QEMU and with DPDK. */
export async function expectQueuePairs(client: Client, wanted: number): Promise<void> {
  if (!Number.isInteger(wanted) || wanted < 1)
    throw new UsageError(`queuePairs must be a whole number above 0, not ${wanted}`);
  if (wanted === 1) return;
  const isMulti = (client.features & NetFeature.Mq) !== 0n;
  const isCounted = (client.protocolFeatures & ProtocolFeature.Mq) !== 0n;
  const available = isMulti && isCounted ? Number(await client.requests.getQueueNum()) : 1;
  if (wanted > available) {
    throw new UsageError(
      `queuePairs must be at most ${available}, as many as the device has, not ${wanted}`,
    );
  }
}
