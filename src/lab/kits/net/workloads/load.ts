import { performance } from "node:perf_hooks";
import { netHeaderBytes } from "../../../../endpoints/devices/net/index.ts";
import type { RingDriver, RingDriverHost } from "../../../../core/runtime/index.ts";
import { SegmentList } from "../../../../core/virtqueue/index.ts";
import { loadSlots } from "../../../workloads/bench/ahead.ts";
import { PerSecond } from "../../../workloads/bench/per-second.ts";
import { Schedule } from "../../../workloads/bench/schedule.ts";

/** The work of one ring of a network device, which its thread gets as a clone. */
export interface NetLoadSpec {
  readonly direction: "tx" | "rx";
  /** Bytes of a frame without the header of the device: of frames sent, and of buffers for received ones. */
  readonly frameBytes: number;
  /** Frames or buffers with the device at most. */
  readonly depth: number;
  /** Number of frames or buffers that are made available together. */
  readonly batch: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
  /** True if the ring is only set up, and sends or takes nothing. */
  readonly idle: boolean;
  /** See `progressBuffer`. */
  readonly progress: SharedArrayBuffer;
}

/** The result of one ring after the warm-up. */
export interface NetLoadResult {
  readonly direction: "tx" | "rx";
  readonly frames: number;
  /** Bytes of the frames, without the device's header. */
  readonly bytes: number;
  readonly seconds: number;
  /** Number of frames in each second. */
  readonly perSecond: readonly number[];
}

/** Local experimental EtherType 1, which no protocol uses. */
const HEAD = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5];

/** Number of batches between two looks at the clock, which takes as long as some frames. */
const BATCHES = 8;

/** Bytes of memory that the buffers of a ring take. */
export function netLoadBytes(depth: number, frameBytes: number): number {
  return loadSlots(depth) * Math.ceil((16 + frameBytes) / 64) * 64 + 64;
}

/**
 * The driver of one ring: keeps as much with the device as it may, and in the ring, where there is
 * room, some more. Frames to be sent were written before; what arrives is counted, not looked at.
 */
export class NetLoad implements RingDriver {
  finished: boolean;
  readonly dueUs = -1;
  readonly #spec: NetLoadSpec;
  readonly #ring: RingDriverHost["queue"];
  readonly #publish: RingDriverHost["publish"];
  readonly #schedule: Schedule;
  /** One buffer each, of the same length. */
  readonly #segments: SegmentList;
  /** Guest address of each buffer. */
  readonly #addresses: Float64Array;
  readonly #headerBytes: number;
  readonly #free: Int32Array;
  #freeCount: number;
  readonly #tokens: Int32Array;
  /** Buffers that were laid out and not shown, and those with the device. */
  #ahead = 0;
  #published = 0;
  readonly #progress: Uint32Array;
  /** All completions so far, and their number when counting began and ended. */
  #frames = 0;
  #batches = 0;
  #written = 0;
  #first: Tally | undefined;
  #last: Tally | undefined;
  readonly #perSecond: PerSecond;
  /** Frames that {@link #perSecond} has. */
  #counted = 0;

  constructor({ queue, memory, features, publish }: RingDriverHost, spec: NetLoadSpec) {
    this.finished = spec.idle;
    this.#spec = spec;
    this.#ring = queue;
    this.#publish = publish;
    this.#schedule = new Schedule({ ...spec, requests: undefined, rate: undefined });
    this.#perSecond = new PerSecond(spec.durationMs);
    this.#headerBytes = netHeaderBytes(features);
    const bytes = this.#headerBytes + spec.frameBytes;
    const buffers = Math.min(queue.size, loadSlots(spec.depth));
    this.#addresses = new Float64Array(buffers);
    this.#segments = new SegmentList(buffers);
    this.#segments.lengths.fill(bytes);
    for (let i = 0; i < buffers; i += 1) {
      const buffer = memory.allocate(bytes, 64);
      buffer.bytes.set(HEAD, this.#headerBytes);
      this.#addresses[i] = buffer.address;
    }
    this.#free = Int32Array.from(this.#addresses.keys());
    this.#freeCount = buffers;
    this.#tokens = new Int32Array(buffers);
    this.#progress = new Uint32Array(spec.progress);
  }

  completing(count: number): void {
    this.#publishAhead(count);
  }

  done(token: number, written: number): void {
    this.#free[this.#freeCount] = token;
    this.#freeCount += 1;
    this.#published -= 1;
    this.#frames += 1;
    // Of what is sent nothing is written, and all have the same length.
    this.#written += written;
  }

  submit(): void {
    this.#schedule.start();
    if (!this.#spec.idle && this.#freeCount + this.#ahead >= this.#spec.batch) this.#layOut();
    this.#publishAhead(this.#spec.depth - this.#published);
    this.#progress[0] = this.#frames;
    this.#progress[1] = this.#published;
    this.#batches = (this.#batches + 1) & 0xff;
    if (this.#first === undefined || this.#batches % BATCHES === 0) this.#lookAtClock();
  }

  /** Buffers that wait for frames stay with the device. */
  finish(): void {
    const at = performance.now();
    if (this.#last === undefined && this.#first !== undefined) this.#countSecond(at);
    this.#last ??= this.#tally(at);
    this.finished = true;
  }

  result(): NetLoadResult {
    const { direction } = this.#spec;
    const [first, last] = [this.#first, this.#last];
    if (first === undefined || last === undefined)
      return { direction, frames: 0, bytes: 0, seconds: 0, perSecond: [] };
    return {
      direction,
      frames: last.frames - first.frames,
      bytes: last.bytes - first.bytes,
      seconds: (last.at - first.at) / 1000,
      perSecond: this.#perSecond.counts,
    };
  }

  #layOut(): void {
    const segments = this.#segments;
    const free = this.#free;
    const tokens = this.#tokens;
    const count = this.#freeCount;
    // The last one first: so each has the descriptor that it had before, which need not be written.
    for (let i = 0; i < count; i += 1) {
      const token = free[count - 1 - i] ?? 0;
      tokens[i] = token;
      segments.addresses[i] = this.#addresses[token] ?? 0;
    }
    segments.count = count;
    const added = this.#ring.addSingles(segments, this.#spec.direction === "tx", tokens);
    this.#freeCount = count - added;
    this.#ahead += added;
  }

  /**
   * Publishes in batches: one look at the other side's index, and perhaps one kick, serves many
   * frames.
   */
  #publishAhead(most: number): void {
    const count = Math.min(most, this.#ahead);
    if (count < this.#spec.batch || this.finished) return;
    this.#publish(count);
    this.#ahead -= count;
    this.#published += count;
  }

  #lookAtClock(): void {
    // The thread goes on calling until its other rings have finished as well.
    if (this.#last !== undefined) return;
    const at = performance.now();
    const schedule = this.#schedule;
    if (this.#first !== undefined) this.#countSecond(at);
    else if (schedule.isCounted(at)) {
      this.#first = this.#tally(at);
      this.#counted = this.#frames;
    }
    if (schedule.isOver(at)) this.finish();
  }

  #countSecond(at: number): void {
    this.#perSecond.add(at - this.#schedule.begin, this.#frames - this.#counted);
    this.#counted = this.#frames;
  }

  #tally(at: number): Tally {
    const { direction, frameBytes } = this.#spec;
    const frames = this.#frames;
    const bytes =
      direction === "tx" ? frames * frameBytes : this.#written - frames * this.#headerBytes;
    return { at, frames, bytes };
  }
}

interface Tally {
  readonly at: number;
  readonly frames: number;
  readonly bytes: number;
}

/** Makes the ring driver in the thread that drives the ring. */
export function createRingDriver(host: RingDriverHost, data: unknown): RingDriver {
  return new NetLoad(host, data as NetLoadSpec);
}
