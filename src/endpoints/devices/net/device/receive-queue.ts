import { counted } from "../../../../core/base/index.ts";
import type { RunningQueue } from "../../../../core/runtime/index.ts";
import {
  type ChainCursor,
  createChainCursor,
  copyIn,
  type ServedQueue,
} from "../../../../core/virtqueue/index.ts";
import { LONG_HEADER_BYTES, MAX_FRAME_BYTES, NUM_BUFFERS_OFFSET } from "../layout.ts";

/** The header format that was negotiated with the ring's driver. */
export interface PacketForm {
  readonly headerBytes: number;
  /** A frame may be spread over several chains (VIRTIO_NET_F_MRG_RXBUF). */
  readonly mergeable: boolean;
}

/** Sums since the device was made. */
export interface ReceiveCounters {
  /** Frames that the driver got. */
  rxFrames: number;
  rxBytes: number;
  /** Frames that found neither buffers nor room to wait for some. */
  rxOverflow: number;
  /** Frames that are empty, longer than 64 KiB, or longer than what the driver's buffers hold. */
  rxWrongSize: number;
  /** Number of frames that the driver's receive filter dropped. */
  rxFiltered: number;
}

/**
 * The way of frames into one receive ring. Buffers are taken when there is a frame for them; those
 * that do not suffice yet are held until the driver supplies more, and completed unused when the
 * ring is to stop.
 */
export class ReceiveQueue {
  readonly #counters: ReceiveCounters;
  readonly #backlogFrames: number;
  /** Copies of frames that wait for buffers, oldest first. */
  readonly #backlog: Uint8Array[] = [];
  #running: RunningQueue | undefined;
  readonly #first: ChainCursor = createChainCursor();
  readonly #further: ChainCursor = createChainCursor();
  // Chains that were taken: what they are called and what they hold, header space included.
  readonly #ids: Int32Array;
  readonly #room: Int32Array;
  #held = 0;
  #heldRoom = 0;
  readonly #header = new Uint8Array(LONG_HEADER_BYTES);

  constructor(maxChains: number, backlogFrames: number, counters: ReceiveCounters) {
    this.#ids = new Int32Array(maxChains);
    this.#room = new Int32Array(maxChains);
    this.#backlogFrames = backlogFrames;
    this.#counters = counters;
  }

  /** Frames that wait for buffers. */
  get waiting(): number {
    return this.#backlog.length;
  }

  /** Returns whether the ring is started and enabled. */
  get active(): boolean {
    return this.#running?.active === true;
  }

  /** Returns false if the frame was dropped. */
  send(frame: Uint8Array, form: PacketForm): boolean {
    if (frame.length === 0 || frame.length > MAX_FRAME_BYTES) {
      this.#counters.rxWrongSize += 1;
      return false;
    }
    const running = this.#running;
    if (this.#backlog.length === 0 && running?.active === true) {
      const outcome = this.#deliver(running, frame, form);
      running.publish();
      if (outcome !== "later") return outcome === "delivered";
      // Asks the driver for a kick when it supplies more.
      running.wake();
    }
    if (this.#backlog.length >= this.#backlogFrames) {
      this.#counters.rxOverflow += 1;
      return false;
    }
    this.#backlog.push(frame.slice());
    return true;
  }

  /** The driver supplied buffers, or the ring begins to run. */
  process(running: RunningQueue, form: PacketForm): void {
    if (this.#running?.queue !== running.queue) this.#forget();
    this.#running = running;
    for (let budget = running.queue.size; budget > 0; budget -= 1) {
      const frame = this.#backlog[0];
      if (frame === undefined || this.#deliver(running, frame, form) === "later") return;
      this.#backlog.shift();
    }
  }

  /** Stops touching the ring; waiting frames are kept. */
  quiesce(): void {
    const queue = this.#running?.queue;
    if (queue !== undefined) this.#completeUnused(queue);
    this.#forget();
  }

  /** Drops the waiting frames, whose driver has left. */
  clear(): void {
    this.#backlog.length = 0;
  }

  #forget(): void {
    this.#running = undefined;
    this.#held = 0;
    this.#heldRoom = 0;
  }

  #deliver(
    { queue }: RunningQueue,
    frame: Uint8Array,
    { headerBytes, mergeable }: PacketForm,
  ): "delivered" | "later" | "dropped" {
    const needed = headerBytes + frame.length;
    let unreachable = 0;
    while (this.#heldRoom < needed) {
      // Without mergeable buffers a frame must fit one chain; with them, it may use as many as a
      // ring holds.
      if (this.#held >= (mergeable ? queue.size : 1)) {
        this.#counters.rxWrongSize += 1;
        // One that is too small may suit the next frame; many hold parts of this frame.
        if (mergeable) this.#completeUnused(queue);
        return "dropped";
      }
      const chain = this.#held === 0 ? this.#first : this.#further;
      if (!queue.next(chain)) return "later";
      if (chain.unreachable !== undefined) {
        // Short chains are completed unused. The number is bounded, as the driver may make more of
        // them available all the time.
        queue.complete(chain.id, 0);
        unreachable += 1;
        if (unreachable === queue.size) return "later";
        continue;
      }
      if (chain.writableBytes < headerBytes) {
        queue.fail(
          `expected a receive buffer of at least ${counted(headerBytes, "byte")}, got ${chain.writableBytes}`,
          "5.1.6.3.1",
        );
        return "later";
      }
      this.#hold(chain, headerBytes);
      if (this.#held > 1) this.#copyPart(chain, frame, headerBytes);
    }
    this.#finish(queue, frame, headerBytes);
    return "delivered";
  }

  #hold(chain: ChainCursor, headerBytes: number): void {
    const room = Math.min(chain.writableBytes, headerBytes + MAX_FRAME_BYTES);
    this.#ids[this.#held] = chain.id;
    this.#room[this.#held] = room;
    this.#held += 1;
    this.#heldRoom += room;
  }

  /** The chain taken last gets what comes behind the chains before it. */
  #copyPart(chain: ChainCursor, frame: Uint8Array, headerBytes: number): void {
    const room = this.#room[this.#held - 1] ?? 0;
    const from = this.#heldRoom - room - headerBytes;
    copyIn(chain, 0, frame, from, Math.min(room, frame.length - from));
  }

  #finish(queue: ServedQueue, frame: Uint8Array, headerBytes: number): void {
    const first = this.#room[0] ?? 0;
    this.#header[NUM_BUFFERS_OFFSET] = this.#held & 0xff;
    this.#header[NUM_BUFFERS_OFFSET + 1] = this.#held >> 8;
    copyIn(this.#first, 0, this.#header, 0, headerBytes);
    copyIn(this.#first, headerBytes, frame, 0, Math.min(first - headerBytes, frame.length));
    let left = headerBytes + frame.length;
    for (let i = 0; i < this.#held; i += 1) {
      const written = Math.min(left, this.#room[i] ?? 0);
      queue.complete(this.#ids[i] ?? 0, written);
      left -= written;
    }
    this.#held = 0;
    this.#heldRoom = 0;
    this.#counters.rxFrames += 1;
    this.#counters.rxBytes += frame.length;
  }

  /** Unused: a used length of 0 is not a packet. */
  #completeUnused(queue: ServedQueue): void {
    for (let i = 0; i < this.#held; i += 1) queue.complete(this.#ids[i] ?? 0, 0);
    this.#held = 0;
    this.#heldRoom = 0;
  }
}
