import { counted, UsageError } from "../../../../core/base/index.ts";
import type { RunningQueue } from "../../../../core/runtime/index.ts";
import type { Device, DeviceCapabilities } from "../../../backend/index.ts";
import { netState } from "./state.ts";
import { rarpRequest, VLAN_HEADER_BYTES } from "../../../netstack/build-frame.ts";
import { controlRing, NET_CONTROL_FEATURES } from "../control.ts";
import { DeviceControl } from "./control.ts";
import { LONG_HEADER_BYTES, MAX_FRAME_BYTES, NetFeature, netHeaderBytes } from "../layout.ts";
import { type NetCounters, zeroNetCounters } from "./counters.ts";
import { type PacketForm, ReceiveQueue } from "./receive-queue.ts";
import { Transmitter } from "./transmit.ts";
import { netType } from "../type.ts";
import type { DeviceType } from "../../../../core/protocol/index.ts";

const MAX_QUEUE_SIZE = 1024;
const DEFAULT_BACKLOG_FRAMES = 256;
/** Rings have indices below 256; with a control queue one of them is that. */
const MAX_PAIRS = 128;

export interface NetDeviceOptions {
  /** Pairs of one receive and one transmit ring. Default 1; more are offered with VIRTIO_NET_F_MQ. */
  readonly queuePairs?: number | undefined;
  /** Offers VIRTIO_NET_F_MRG_RXBUF. Default true. */
  readonly mergeable?: boolean | undefined;
  /**
   * Offers VIRTIO_NET_F_MTU, so that the front-end can set its guest's MTU (NET_SET_MTU): for
   * front-ends with a configuration space of their own, as QEMU has. Default false.
   */
  readonly mtu?: boolean | undefined;
  /** Frames a pair that wait for the driver's buffers; more are dropped. Default 256. */
  readonly backlogFrames?: number | undefined;
  /**
   * Adds a control queue and a configuration space with this MAC address, for front-ends that leave
   * both to the back-end. Default: neither.
   */
  readonly control?: { readonly mac: string } | undefined;
  /**
   * The driver sent a frame.
   *
   * @param frame a copy, the receiver's to keep; no check sum of Ethernet behind it
   */
  readonly onFrame?: ((frame: Uint8Array, pair: number) => void) | undefined;
  /** Called when the session has ended. */
  readonly onClose?: (() => void) | undefined;
}

/**
 * A network device (VIRTIO 5.1) with one end open: what the driver sends goes to a callback, and
 * {@link send} brings frames to the driver. It offers no offloads; control queue and configuration
 * space are offered on request only, as front-ends such as QEMU keep these for themselves.
 *
 * Headers have 12 bytes. In a session that does not offer VIRTIO_F_VERSION_1 (`without` of the
 * back-end) a legacy driver is served; it has headers of 10 bytes unless it takes mergeable buffers.
 *
 * @example
 * ```ts
 * import { BackendServer } from "vhost-user";
 * import { NetDevice } from "vhost-user/devices/net";
 *
 * const server = await BackendServer.listen("counting.sock", {
 *   device: () => new NetDevice({ onFrame: (frame) => console.log(`${frame.length} bytes`) }),
 * });
 * server.close();
 * ```
 */
export class NetDevice implements Device {
  readonly type: DeviceType = netType;
  readonly features: bigint;
  readonly maxQueues: number;
  readonly maxQueueSize = MAX_QUEUE_SIZE;
  readonly counters: Readonly<NetCounters>;
  readonly capabilities: DeviceCapabilities;
  readonly queuePairs: number;
  readonly #counters = zeroNetCounters();
  #mtu: number | undefined;
  readonly #control: DeviceControl | undefined;
  /** The control queue's ring, where one is in use; else one that does not exist. */
  #controlRing = -1;
  /** True if more pairs than the first may be used. */
  #isMulti = false;
  readonly #receive: readonly ReceiveQueue[];
  readonly #onFrame: (frame: Uint8Array, pair: number) => void;
  readonly #transmitter: Transmitter;
  #form: PacketForm = { headerBytes: LONG_HEADER_BYTES, mergeable: false };

  /** @throws {UsageError} */
  constructor(options: NetDeviceOptions = {}) {
    const {
      queuePairs = 1,
      mergeable = true,
      mtu = false,
      backlogFrames = DEFAULT_BACKLOG_FRAMES,
      control,
      onFrame = () => undefined,
      onClose = () => undefined,
    } = options;
    const most = control === undefined ? MAX_PAIRS : MAX_PAIRS - 1;
    if (!Number.isInteger(queuePairs) || queuePairs < 1 || queuePairs > most)
      throw new UsageError(`queuePairs must be 1 to ${most}, not ${queuePairs}`);
    if (!Number.isInteger(backlogFrames) || backlogFrames < 1)
      throw new UsageError(`backlogFrames must be at least 1, not ${backlogFrames}`);
    this.queuePairs = queuePairs;
    this.maxQueues = 2 * queuePairs + (control === undefined ? 0 : 1);
    this.features =
      (mergeable ? NetFeature.MrgRxbuf : 0n) |
      (queuePairs > 1 ? NetFeature.Mq : 0n) |
      (mtu ? NetFeature.Mtu : 0n) |
      (control === undefined ? 0n : NET_CONTROL_FEATURES);
    if (control !== undefined) this.#control = new DeviceControl(queuePairs, control.mac);
    this.capabilities = this.#makeCapabilities(onClose);
    this.counters = this.#counters;
    this.#onFrame = onFrame;
    this.#transmitter = new Transmitter(this.#counters, onFrame);
    this.#receive = Array.from(
      { length: queuePairs },
      () => new ReceiveQueue(MAX_QUEUE_SIZE, backlogFrames, this.#counters),
    );
  }

  /** The guest's MTU in bytes, once the front-end has set it. Larger frames do not reach it. */
  get mtu(): number | undefined {
    return this.#mtu;
  }

  #makeCapabilities(onClose: () => void): DeviceCapabilities {
    const control = this.#control;
    return {
      ...(control && { config: control.config }),
      lifecycle: {
        negotiated: (features) => this.#negotiated(features),
        reset: () => this.#reset(),
        close: () => {
          this.#reset();
          onClose();
        },
      },
      scheduling: {
        // Receive buffers stay with the driver until there is a frame for them.
        wantsChains: (index) => !this.#isReceive(index) || this.waiting(index >>> 1) > 0,
        // Frames that the driver sends while its ring is disabled are dropped.
        discards: (index) => !this.#isReceive(index) && !this.#isControl(index),
      },
      draining: {
        quiesce: async (index) => {
          if (this.#isReceive(index)) this.#receive[index >>> 1]?.quiesce();
        },
      },
      migration: netState(this.#counters, control),
      network: {
        queuePairs: this.queuePairs,
        // The guest has moved here: sends the frame by which it would announce itself.
        announce: (mac) => this.#onFrame(rarpRequest(mac), 0),
        mtuFeature: NetFeature.Mtu,
        setMtu: (mtu) => (this.#mtu = mtu),
      },
    };
  }

  /**
   * The pair that a frame for this one goes to: itself where its receive ring is started and enabled,
   * otherwise one whose ring is, or the first where none is yet. A driver with a control queue
   * chooses how many there are.
   */
  pairFor(pair: number): number {
    const wanted = this.#controlRing < 0 ? pair : pair % this.#controlledPairs;
    if (this.#receive[wanted]?.active === true) return wanted;
    let active = 0;
    for (const queue of this.#receive) if (queue.active) active += 1;
    if (active === 0) return 0;
    let skip = wanted % active;
    return this.#receive.findIndex((queue) => queue.active && (skip -= 1) < 0);
  }

  get #controlledPairs(): number {
    return this.#isMulti ? (this.#control?.activePairs ?? 1) : 1;
  }

  /** Frames that wait for buffers of this pair's driver. */
  waiting(pair = 0): number {
    return this.#receive[pair]?.waiting ?? 0;
  }

  /**
   * Sends a frame to the driver, now or as soon as it has a buffer. The frame is only borrowed. The
   * filter of a driver with a control queue applies. The frame goes to the queue pair of {@link
   * pairFor}.
   *
   * @param frame without check sum
   * @returns false if it was dropped; {@link counters} has the reason
   * @throws {RangeError} there is no such pair
   */
  send(frame: Uint8Array, pair = 0): boolean {
    if (this.#receive[pair] === undefined) {
      throw new RangeError(
        `queue pair ${pair} does not exist; the device has ${counted(this.queuePairs, "pair")}`,
      );
    }
    const most = this.#mtu === undefined ? MAX_FRAME_BYTES : this.#mtu + VLAN_HEADER_BYTES;
    if (frame.length > most) {
      this.#counters.rxWrongSize += 1;
      return false;
    }
    if (this.#control !== undefined && this.#controlRing >= 0) {
      const { filter } = this.#control;
      if (!filter.accepts(frame)) {
        this.#counters.rxFiltered += 1;
        return false;
      }
    }
    return this.#receive[this.pairFor(pair)]?.send(frame, this.#form) === true;
  }

  #negotiated(features: bigint): void {
    this.#form = {
      headerBytes: netHeaderBytes(features),
      mergeable: (features & NetFeature.MrgRxbuf) !== 0n,
    };
    const hasControl = this.#control !== undefined && (features & NetFeature.CtrlVq) !== 0n;
    this.#controlRing = hasControl ? controlRing(this.queuePairs, features) : -1;
    this.#isMulti = (features & NetFeature.Mq) !== 0n;
    if (this.#control !== undefined) this.#control.features = features;
  }

  process(running: RunningQueue): void {
    if (this.#isControl(running.index)) {
      this.#serveControl(running);
      return;
    }
    const pair = running.index >>> 1;
    if ((running.index & 1) === 0) {
      this.#receive[pair]?.process(running, this.#form);
      return;
    }
    this.#transmitter.process(running, this.#form.headerBytes, pair);
  }

  #reset(): void {
    this.#mtu = undefined;
    for (const queue of this.#receive) queue.clear();
    this.#control?.reset();
  }

  #isReceive(index: number): boolean {
    return (index & 1) === 0 && !this.#isControl(index);
  }

  /**
   * The ring behind those of all pairs can only be the control queue, whatever the driver
   * acknowledged.
   */
  #isControl(index: number): boolean {
    const isBehind = this.#control !== undefined && index === 2 * this.queuePairs;
    return isBehind || index === this.#controlRing;
  }

  #serveControl(running: RunningQueue): void {
    const { index, queue } = running;
    if (index !== this.#controlRing && queue.hasNext()) {
      const feature = this.#controlRing < 0 ? "VIRTIO_NET_F_CTRL_VQ" : "VIRTIO_NET_F_MQ";
      if (!queue.tolerates(feature)) {
        queue.fail(`a control command without ${feature}`, "5.1.6.5");
        return;
      }
      this.#controlRing = index;
    }
    this.#control?.process(running);
  }
}
