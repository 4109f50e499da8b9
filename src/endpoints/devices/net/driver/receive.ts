import type { Client, ClientQueue } from "../../../frontend/index.ts";
import type { GuestBuffer } from "../../../../core/memory/index.ts";
import type { RingMode } from "../../../../core/runtime/index.ts";
import { SegmentList, SlotPool } from "../../../../core/virtqueue/index.ts";
import { FrameAssembly } from "./frame-assembly.ts";
import {
  GSO_NONE,
  MAX_FRAME_BYTES,
  NetFeature,
  netHeaderBytes,
  NetHeaderFlag,
  NUM_BUFFERS_OFFSET,
  receiveRing,
} from "../layout.ts";

/** Receive counters, of all pairs together. */
export interface DriverReceiveCounters {
  /** Number of frames that were passed to the callback. */
  rxFrames: number;
  rxBytes: number;
  /** Buffers that were completed with nothing written, as by a device that stops. */
  rxUnused: number;
  /** Dropped: the device wrote less than a header and a byte, or nothing into a further buffer. */
  rxShort: number;
  /** Dropped: the device claims to have written more than the buffer holds. */
  rxOverlong: number;
  /** Dropped: num_buffers is 0, or more than the buffers that the device had. */
  rxWrongBuffers: number;
  /** Dropped: a frame of more than 64 KiB. */
  rxTooLong: number;
  /** Dropped: relies on offloads, which were not agreed on. */
  rxOffloads: number;
}

/** The settings of a driver's rings. */
export interface DriverRingOptions {
  readonly pair: number;
  /** Number of entries of the ring, and of buffers. */
  readonly size: number;
  /** Bytes of each buffer, header included. */
  readonly bufferBytes: number;
  readonly ringMode: RingMode;
  readonly onFailed: (error: Error) => void;
}

/**
 * The receive ring of a pair. The device owns every buffer, except between a completion and the end
 * of its batch. Frames are copied out of shared memory before the callback sees them, so that the
 * device cannot change them meanwhile. Nothing allocates per frame.
 */
export class DriverReceiveRing {
  readonly queue: ClientQueue;
  readonly #counters: DriverReceiveCounters;
  readonly #onFrame: (frame: Uint8Array, pair: number) => void;
  readonly #pair: number;
  readonly #headerBytes: number;
  readonly #mergeable: boolean;
  readonly #buffers: GuestBuffer[] = [];
  /** Each buffer without the header before the frame. */
  readonly #bodies: Uint8Array[] = [];
  readonly #segments = new SegmentList(1);
  /** Buffers that must be made available again. */
  readonly #pool: SlotPool;
  readonly #assembly: FrameAssembly;
  /** Buffers of the present frame that are still to come, and whether the frame is dropped. */
  #missing = 0;
  #dropping = false;
  #overlongSeen = 0;

  /** The device gets all buffers as soon as the ring is started. */
  constructor(
    client: Client,
    { pair, size, bufferBytes, ringMode, onFailed }: DriverRingOptions,
    counters: DriverReceiveCounters,
    onFrame: (frame: Uint8Array, pair: number) => void,
  ) {
    this.#pair = pair;
    this.#counters = counters;
    this.#onFrame = onFrame;
    this.#headerBytes = netHeaderBytes(client.features);
    this.#mergeable = (client.features & NetFeature.MrgRxbuf) !== 0n;
    this.#assembly = new FrameAssembly(bufferBytes);
    for (let i = 0; i < size; i += 1) {
      const buffer = client.memory.allocate(bufferBytes, 64);
      this.#buffers.push(buffer);
      this.#bodies.push(buffer.bytes.subarray(this.#headerBytes));
    }
    this.#pool = new SlotPool(size);
    this.queue = client.createQueue({
      index: receiveRing(pair),
      size,
      ringMode,
      handler: {
        done: (token, written) => this.#take(token, written),
        batchDone: () => this.#supply(),
        failed: onFailed,
      },
    });
    this.#supply();
  }

  #supply(): void {
    const segments = this.#segments;
    for (;;) {
      const token = this.#pool.peek();
      const buffer = this.#buffers[token];
      if (buffer === undefined) break;
      segments.clear();
      segments.push(buffer.address, buffer.bytes.length);
      if (!this.queue.add(segments, 0, token)) break;
      this.#pool.acquire();
    }
    this.queue.publish();
  }

  #take(token: number, written: number): void {
    this.#pool.release(token);
    const overlong = this.queue.ring.overlongCompletions;
    const isOverlong = overlong !== this.#overlongSeen;
    this.#overlongSeen = overlong;
    if (this.#missing > 0) this.#takeFurther(token, written, isOverlong);
    else this.#takeFirst(token, written, isOverlong);
    if (this.#missing > 0 || this.#dropping) return;
    const frame = this.#assembly.frame();
    if (frame === undefined) return;
    this.#counters.rxFrames += 1;
    this.#counters.rxBytes += frame.length;
    this.#onFrame(frame, this.#pair);
  }

  #takeFirst(token: number, written: number, isOverlong: boolean): void {
    this.#dropping = false;
    this.#assembly.clear();
    const bytes = this.#buffers[token]?.bytes;
    const headerBytes = this.#headerBytes;
    if (bytes === undefined) return;
    if (written === 0) {
      this.#counters.rxUnused += 1;
      return;
    }
    if (written <= headerBytes) {
      this.#drop("rxShort");
      return;
    }
    // Each read once: the device may change them at any moment.
    const flags = bytes[0] ?? 0;
    const gsoType = bytes[1] ?? 0;
    const buffers = this.#mergeable
      ? (bytes[NUM_BUFFERS_OFFSET] ?? 0) | ((bytes[NUM_BUFFERS_OFFSET + 1] ?? 0) << 8)
      : 1;
    // This one has been taken off the count.
    if (buffers === 0 || buffers - 1 > this.queue.ring.outstanding) {
      // The end of the frame is unknown: the next buffer is taken for the start of another frame.
      this.#drop("rxWrongBuffers");
      return;
    }
    this.#missing = buffers - 1;
    if (isOverlong) this.#drop("rxOverlong");
    else if ((flags & NetHeaderFlag.NeedsCsum) !== 0 || gsoType !== GSO_NONE)
      this.#drop("rxOffloads");
    else this.#append(this.#bodies[token], written - headerBytes);
  }

  #takeFurther(token: number, written: number, isOverlong: boolean): void {
    this.#missing -= 1;
    if (this.#dropping) return;
    if (isOverlong) this.#drop("rxOverlong");
    else if (written === 0) this.#drop("rxShort");
    else this.#append(this.#buffers[token]?.bytes, written);
  }

  #append(bytes: Uint8Array | undefined, length: number): void {
    if (this.#assembly.length + length > MAX_FRAME_BYTES) this.#drop("rxTooLong");
    else if (bytes !== undefined) this.#assembly.append(bytes, length);
  }

  /** The rest of the frame, where it is known how much that is, goes the same way. */
  #drop(why: keyof DriverReceiveCounters): void {
    this.#dropping = true;
    this.#counters[why] += 1;
  }
}
