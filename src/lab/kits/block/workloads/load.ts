import type { RecordableHistogram } from "node:perf_hooks";
import { counted } from "../../../../core/base/index.ts";
import {
  BlockRequest,
  BlockSlots,
  BlockStatus,
  blockStatusName,
  requestsIn,
  SECTOR_SIZE,
} from "../../../../endpoints/devices/block/index.ts";
import { VirtioFeature } from "../../../../core/protocol/index.ts";
import type { RingDriver, RingDriverHost } from "../../../../core/runtime/index.ts";
import { expectedWord, fillPattern, findMismatch } from "../../../workloads/pattern.ts";
import { loadSlots } from "../../../workloads/bench/ahead.ts";
import { RequestTimes } from "../../../workloads/bench/request-times.ts";
import { Schedule } from "../../../workloads/bench/schedule.ts";
import type { BlockWorkload } from "./names.ts";

/** The work of one queue, which its thread gets as a clone. */
export interface BlockLoadSpec {
  readonly workload: BlockWorkload;
  /** Share of the requests that read. */
  readonly readPercent: number;
  readonly blockBytes: number;
  readonly depth: number;
  /** Bytes: the part of the device that this queue works on. */
  readonly start: number;
  readonly length: number;
  readonly seed: number;
  /** Compares reads with the pattern, which must have been written before. */
  readonly verify: boolean;
  readonly warmUpMs: number;
  /** Milliseconds after the warm-up; or a number of requests. */
  readonly durationMs: number | undefined;
  readonly requests: number | undefined;
  /** Requests a second; undefined if as many as possible. */
  readonly rate: number | undefined;
  /** See `progressBuffer`. */
  readonly progress: SharedArrayBuffer;
}

/** The result of one queue. Only requests that completed after the warm-up count. */
export interface BlockLoadResult {
  readonly requests: number;
  /** Seconds from the end of the warm-up to the last completion. */
  readonly seconds: number;
  /** Number of requests in each second. */
  readonly perSecond: readonly number[];
  /** Nanoseconds from submission (with a rate: from when it was due) to completion. */
  readonly latency: RecordableHistogram;
  /** The reason why the load ended early, if so. */
  readonly failure: string | undefined;
}

/**
 * Drives one queue and keeps `depth` requests in flight. The next requests are already laid out in
 * the ring, so after a completion only the available index is stored before the kick; the data of
 * completed requests is checked while the device works.
 */
export class BlockLoad implements RingDriver {
  /** True once no more requests are submitted. */
  #ended = false;
  readonly #spec: BlockLoadSpec;
  readonly #ring: RingDriverHost["queue"];
  readonly #publish: RingDriverHost["publish"];
  readonly #slots: BlockSlots;
  readonly #words: readonly Int32Array[];
  readonly #schedule: Schedule;
  readonly #times: RequestTimes;
  readonly #progress: Uint32Array;
  /** Slots that were laid out and not shown, a ring of all: in the order of the queue. */
  readonly #ahead: Int32Array;
  #aheadFirst = 0;
  #aheadCount = 0;
  /** Slots whose completion is not examined yet. */
  readonly #back: Int32Array;
  #backCount = 0;
  #inFlight = 0;
  /** By slot: its byte position, whether it reads. */
  readonly #position: Float64Array;
  readonly #reads: Uint8Array;
  readonly #blocks: number;
  /** A draw below this makes a request a read. */
  readonly #readBelow: number;
  readonly #isRandom: boolean;
  #random: number;
  #next = 0;
  /** Warm-up included. */
  #completed = 0;
  #failure: string | undefined;
  readonly #none = new Int32Array(0);

  constructor({ queue, memory, features, publish }: RingDriverHost, spec: BlockLoadSpec) {
    const { workload, blockBytes } = spec;
    const indirect = (features & VirtioFeature.IndirectDesc) !== 0n;
    const slots = Math.min(loadSlots(spec.depth), requestsIn(queue.size, indirect));
    this.#spec = spec;
    this.#ring = queue;
    this.#publish = publish;
    this.#slots = new BlockSlots(memory, slots, blockBytes);
    this.#words = Array.from({ length: slots }, (_, slot) => {
      const data = this.#slots.data(slot);
      return new Int32Array(data.buffer, data.byteOffset, blockBytes / 4);
    });
    this.#schedule = new Schedule(spec);
    this.#progress = new Uint32Array(spec.progress);
    this.#times = new RequestTimes(this.#schedule, slots, spec.durationMs);
    this.#position = new Float64Array(slots);
    this.#reads = new Uint8Array(slots);
    this.#blocks = Math.floor(spec.length / blockBytes);
    this.#isRandom = workload === "mix" || workload.startsWith("rand");
    this.#readBelow = (spec.readPercent / 100) * 2 ** 32;
    this.#random = spec.seed | 1;
    this.#ahead = new Int32Array(slots);
    this.#back = new Int32Array(slots);
    for (let slot = 0; slot < slots; slot += 1) this.#layOut(slot);
  }

  get finished(): boolean {
    return this.#ended && this.#inFlight === 0;
  }

  get dueUs(): number {
    const waits = this.#spec.rate === undefined || this.#ended;
    // Without room it is a completion that is waited for.
    return waits || this.#inFlight === this.#spec.depth ? -1 : this.#schedule.dueUs();
  }

  completing(count: number): void {
    if (this.#spec.rate === undefined && !this.#isOver(this.#times.now)) this.#publishAhead(count);
  }

  done(slot: number): void {
    this.#times.end(slot);
    this.#inFlight -= 1;
    this.#back[this.#backCount] = slot;
    this.#backCount += 1;
  }

  submit(): void {
    this.#schedule.start();
    this.#times.settle();
    this.#completed += this.#backCount;
    this.#progress[0] = this.#completed;
    // The last one first: so each has the descriptors that it had before, which need not be written.
    while (this.#backCount > 0) {
      this.#backCount -= 1;
      const slot = this.#back[this.#backCount] ?? 0;
      this.#lookAt(slot);
      this.#layOut(slot);
    }
    this.#showMore();
    this.#progress[1] = this.#inFlight;
  }

  #showMore(): void {
    const rated = this.#spec.rate !== undefined;
    const now = rated ? performance.now() : this.#times.now;
    const room = this.#spec.depth - this.#inFlight;
    if (this.#isOver(now) || room <= 0) return;
    if (rated) this.#showDue(now, room);
    else this.#publishAhead(room);
    this.#times.settle();
  }

  finish(): void {
    this.#ended = true;
  }

  result(): BlockLoadResult {
    return {
      requests: this.#times.counted,
      seconds: Math.max(0, this.#times.last - this.#schedule.begin) / 1000,
      perSecond: this.#times.perSecond,
      latency: this.#times.latency,
      failure: this.#failure,
    };
  }

  #isOver(now: number): boolean {
    if (this.#schedule.isOver(now)) this.#ended = true;
    return this.#ended;
  }

  #publishAhead(most: number): void {
    const count = Math.min(most, this.#aheadCount);
    this.#publish(count);
    for (let i = 0; i < count; i += 1) this.#begin(-1);
  }

  #showDue(now: number, room: number): void {
    let count = 0;
    while (count < room && this.#aheadCount > 0) {
      const due = this.#schedule.take(now);
      if (due < 0) break;
      this.#begin(due);
      count += 1;
    }
    this.#publish(count);
  }

  /** The next of those laid out is with the device. */
  #begin(due: number): void {
    this.#times.begin(this.#ahead[this.#aheadFirst] ?? 0, due);
    const next = this.#aheadFirst + 1;
    this.#aheadFirst = next < this.#ahead.length ? next : 0;
    this.#aheadCount -= 1;
    this.#inFlight += 1;
  }

  #lookAt(slot: number): void {
    const status = this.#slots.status(slot);
    if (status !== BlockStatus.Ok) {
      this.#fail(slot, `the device answered ${blockStatusName(status)}`);
    } else if (this.#spec.verify && this.#reads[slot] === 1) {
      this.#compare(slot);
    }
  }

  #layOut(slot: number): void {
    const { blockBytes, start, verify, seed } = this.#spec;
    const random = this.#draw();
    const reads = random < this.#readBelow;
    const block = this.#isRandom ? this.#draw() % this.#blocks : this.#next;
    this.#next = block + 1 < this.#blocks ? block + 1 : 0;
    const position = start + block * blockBytes;
    this.#position[slot] = position;
    this.#reads[slot] = reads ? 1 : 0;
    if (!reads && verify) fillPattern(this.#words[slot] ?? this.#none, seed, position);
    const type = reads ? BlockRequest.In : BlockRequest.Out;
    this.#slots.prepare(slot, type, position / SECTOR_SIZE, blockBytes);
    this.#slots.put(this.#ring, slot);
    const at = this.#aheadFirst + this.#aheadCount;
    this.#ahead[at < this.#ahead.length ? at : at - this.#ahead.length] = slot;
    this.#aheadCount += 1;
  }

  /** xorshift32 as an unsigned number. */
  #draw(): number {
    let x = this.#random;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#random = x;
    return x >>> 0;
  }

  #compare(slot: number): void {
    const words = this.#words[slot] ?? this.#none;
    const position = this.#position[slot] ?? 0;
    const { seed } = this.#spec;
    const at = findMismatch(words, seed, position);
    if (at < 0) return;
    const offset = position + at * 4;
    const [expected, actual] = [expectedWord(seed, offset), words[at] ?? 0];
    this.#fail(
      slot,
      `expected word 0x${(expected >>> 0).toString(16)} at byte ${offset}, got 0x${(actual >>> 0).toString(16)}`,
    );
  }

  #fail(slot: number, what: string): void {
    const work = this.#reads[slot] === 1 ? "reading" : "writing";
    this.#failure ??= `${work} ${counted(this.#spec.blockBytes, "byte")} at byte ${this.#position[slot]}: ${what}`;
    this.#ended = true;
  }
}

/** Makes the ring driver in the thread that drives the queue. */
export function createRingDriver(host: RingDriverHost, data: unknown): RingDriver {
  return new BlockLoad(host, data as BlockLoadSpec);
}
