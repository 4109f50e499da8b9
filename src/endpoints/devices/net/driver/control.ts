import { counted, DeviceError, UsageError } from "../../../../core/base/index.ts";
import type { Client, ClientQueue } from "../../../frontend/index.ts";
import type { GuestBuffer } from "../../../../core/memory/index.ts";
import { decodePresentConfig } from "../../../../core/protocol/index.ts";
import type { RingMode } from "../../../../core/runtime/index.ts";
import { SegmentList } from "../../../../core/virtqueue/index.ts";
import { parseMac } from "../../../netstack/build-frame.ts";
import { ControlAck, ControlClass, controlRing, MacCommand, type ReceiveMode } from "../control.ts";
import { netConfigLayout } from "../config.ts";
import { NetFeature } from "../layout.ts";

const QUEUE_SIZE = 16;
/** VIRTIO_NET_S_LINK_UP */
const LINK_UP = 1;
const COMMAND_BYTES = 1024;

/** The configuration of a network device, as far as it goes with a control queue. */
export interface NetConfig {
  readonly mac: string;
  readonly linkUp: boolean;
  readonly maxQueuePairs: number;
}

/**
 * The control queue of a driver: one command after the other.
 *
 * @example
 * ```ts
 * import { type NetDriver, ReceiveMode } from "vhost-user/devices/net";
 *
 * // Receives every frame, by a driver that was started with `control: true`.
 * async function promiscuous({ control }: NetDriver): Promise<void> {
 *   await control?.setReceiveMode(ReceiveMode.Promiscuous, true);
 * }
 * ```
 */
export class DriverControl {
  readonly #queue: ClientQueue;
  readonly #buffer: GuestBuffer;
  readonly #segments = new SegmentList(2);
  #waiting: { resolve: () => void; reject: (error: Error) => void } | undefined;
  #last: Promise<void> = Promise.resolve();

  private constructor(
    client: Client,
    index: number,
    ringMode: RingMode,
    onFailed: (error: Error) => void,
  ) {
    this.#buffer = client.memory.allocate(COMMAND_BYTES + 1);
    this.#queue = client.createQueue({
      index,
      size: QUEUE_SIZE,
      ringMode,
      handler: {
        done: () => this.#waiting?.resolve(),
        failed: (error) => {
          onFailed(error);
          this.#waiting?.reject(error);
        },
      },
    });
  }

  /** Reads the configuration, and makes the queue; {@link start} starts it. */
  static async create(
    client: Client,
    ringMode: RingMode,
    onFailed: (error: Error) => void,
  ): Promise<DriverControl> {
    const { maxQueuePairs } = await readNetConfig(client);
    const index = controlRing(maxQueuePairs, client.features);
    return new DriverControl(client, index, ringMode, onFailed);
  }

  /**
   * Starts the control queue.
   *
   * @throws what `Client.startQueue` throws
   */
  async start(client: Client): Promise<void> {
    await client.startQueue(this.#queue);
  }

  /**
   * Pairs that the device may use for frames to us.
   *
   * @throws {DeviceError} the device has fewer
   */
  async setQueuePairs(pairs: number): Promise<void> {
    await this.#send(ControlClass.QueuePairs, 0, Uint8Array.of(pairs & 0xff, pairs >> 8));
  }

  /** @throws {DeviceError} the device does not take it */
  async setReceiveMode(mode: ReceiveMode, on: boolean): Promise<void> {
    await this.#send(ControlClass.Receive, mode, Uint8Array.of(on ? 1 : 0));
  }

  /**
   * Our own address.
   *
   * @throws {UsageError | DeviceError}
   */
  async setMac(mac: string): Promise<void> {
    await this.#send(ControlClass.Mac, MacCommand.Address, parseMac(mac));
  }

  /**
   * Addresses that pass besides our own.
   *
   * @throws {UsageError | DeviceError}
   */
  async setMacTables(unicast: readonly string[], multicast: readonly string[]): Promise<void> {
    const data = [unicast, multicast].flatMap((list) => [
      ...new Uint8Array(Uint32Array.of(list.length).buffer),
      ...list.flatMap((mac) => [...parseMac(mac)]),
    ]);
    await this.#send(ControlClass.Mac, MacCommand.Table, Uint8Array.from(data));
  }

  async #send(cls: number, command: number, data: Uint8Array): Promise<void> {
    if (data.length > COMMAND_BYTES - 2) {
      throw new UsageError(
        `a control command has at most ${counted(COMMAND_BYTES - 2, "byte")}, not ${data.length}`,
      );
    }
    const before = this.#last;
    const sent = before.then(() => this.#sendNow(cls, command, data));
    this.#last = sent.catch(() => undefined);
    await sent;
  }

  async #sendNow(cls: number, command: number, data: Uint8Array): Promise<void> {
    const { bytes } = this.#buffer;
    bytes.set([cls, command]);
    bytes.set(data, 2);
    bytes[COMMAND_BYTES] = 0xff;
    this.#segments.clear();
    this.#segments.pushPart(this.#buffer, 0, 2 + data.length);
    this.#segments.pushPart(this.#buffer, COMMAND_BYTES, 1);
    const done = new Promise<void>((resolve, reject) => (this.#waiting = { resolve, reject }));
    const { failure } = this.#queue;
    if (failure !== undefined) throw failure;
    this.#queue.add(this.#segments, 1, 0);
    this.#queue.publish();
    await done;
    const ack = bytes[COMMAND_BYTES];
    if (ack === ControlAck.Ok) return;
    const what = `control command ${cls}/${command} of ${counted(data.length, "byte")}`;
    throw new DeviceError(ack, `the device refused ${what} with the answer ${ack}`);
  }
}

/**
 * The configuration space of a network device that has one: front-ends such as QEMU keep it for
 * themselves, and then it is not offered.
 *
 * @throws {NegotiationError} VHOST_USER_PROTOCOL_F_CONFIG is not in use
 */
export async function readNetConfig(client: Client): Promise<NetConfig> {
  const bytes = await client.requests.getLargestConfig(netConfigLayout.sizes);
  const config = decodePresentConfig(netConfigLayout, bytes);
  const isMulti = (client.features & NetFeature.Mq) !== 0n;
  return {
    mac: config.mac ?? "",
    // A device without the field has its link up (VIRTIO 5.1.4.2).
    linkUp: config.status === undefined || (config.status & LINK_UP) !== 0,
    maxQueuePairs: isMulti ? (config.maxVirtqueuePairs ?? 1) : 1,
  };
}
