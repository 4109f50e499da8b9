import type { Client, ClientQueue } from "../../../frontend/index.ts";
import type { GuestBuffer } from "../../../../core/memory/index.ts";
import { SegmentList, SlotPool } from "../../../../core/virtqueue/index.ts";
import type { DriverRingOptions } from "./receive.ts";
import { netHeaderBytes, transmitRing } from "../layout.ts";

/** Sums of what was sent, all pairs together. */
export interface DriverTransmitCounters {
  /** Frames that were handed to the device. */
  txFrames: number;
  txBytes: number;
  /** Frames that found no room. */
  txFull: number;
}

/**
 * The transmit ring of a pair. Each entry has a buffer for header and frame, made once and reused:
 * nothing allocates per frame.
 */
export class DriverTransmitRing {
  readonly queue: ClientQueue;
  /** Longest frame that fits. */
  readonly maxFrameBytes: number;
  readonly #counters: DriverTransmitCounters;
  readonly #headerBytes: number;
  readonly #buffers: GuestBuffer[] = [];
  readonly #segments = new SegmentList(1);
  readonly #pool: SlotPool;
  readonly #release = (token: number): void => this.#pool.release(token);
  /** Called once there is room, or once every frame is used. */
  readonly #waiting: { readonly free: number; readonly resolve: () => void }[] = [];

  constructor(
    client: Client,
    { pair, size, bufferBytes, ringMode, onFailed }: DriverRingOptions,
    counters: DriverTransmitCounters,
  ) {
    this.#counters = counters;
    this.#headerBytes = netHeaderBytes(client.features);
    this.maxFrameBytes = bufferBytes - this.#headerBytes;
    for (let i = 0; i < size; i += 1) this.#buffers.push(client.memory.allocate(bufferBytes, 64));
    this.#pool = new SlotPool(size);
    this.queue = client.createQueue({
      index: transmitRing(pair),
      size,
      ringMode,
      handler: {
        done: this.#release,
        batchDone: () => this.#wake(),
        failed: (error) => {
          onFailed(error);
          // The caller that waits checks whether the driver failed.
          for (const { resolve } of this.#waiting.splice(0)) resolve();
        },
      },
    });
  }

  /** Outstanding frames. */
  get outstanding(): number {
    return this.#pool.taken;
  }

  /**
   * Makes a frame available.
   *
   * @returns false: there is no room
   * @throws {RangeError} an empty frame, or one longer than the buffers
   */
  send(frame: Uint8Array): boolean {
    const { length } = frame;
    if (length === 0 || length > this.maxFrameBytes) {
      throw new RangeError(
        `a frame must have 1 to ${this.maxFrameBytes} bytes, not ${length}; bufferBytes sets the limit`,
      );
    }
    if (this.#pool.free === 0) {
      this.#collect();
      if (this.#pool.free === 0) {
        this.#counters.txFull += 1;
        return false;
      }
    }
    const token = this.#pool.peek();
    const buffer = this.#buffers[token];
    if (buffer === undefined) return false;
    const { bytes, address } = buffer;
    // The header requests no offloads, and the specification demands that num_buffers is 0.
    for (let i = 0; i < this.#headerBytes; i += 1) bytes[i] = 0;
    bytes.set(frame, this.#headerBytes);
    this.#segments.clear();
    this.#segments.push(address, this.#headerBytes + length);
    if (!this.queue.add(this.#segments, 1, token)) return false;
    this.#pool.acquire();
    this.queue.publish();
    this.#counters.txFrames += 1;
    this.#counters.txBytes += length;
    return true;
  }

  /** Resolves once `free` buffers (at most all) are free, or the queue has failed. */
  async whenFree(free: number): Promise<void> {
    const wanted = Math.min(free, this.#pool.size);
    if (this.#pool.free >= wanted) return;
    await new Promise<void>((resolve) => this.#waiting.push({ free: wanted, resolve }));
  }

  /** The device may have used frames whose completions were not read yet. */
  #collect(): void {
    const { ring } = this.queue;
    ring.poll(this.#release, ring.size);
    // The completion handler may not be called any more.
    if (ring.broken !== undefined) this.queue.collect();
  }

  #wake(): void {
    for (let i = this.#waiting.length - 1; i >= 0; i -= 1) {
      const waiting = this.#waiting[i];
      if (waiting === undefined || waiting.free > this.#pool.free) continue;
      this.#waiting.splice(i, 1);
      waiting.resolve();
    }
  }
}
