import type { RecordableHistogram } from "node:perf_hooks";
import {
  BlockRequest,
  BlockSlots,
  BlockStatus,
  blockStatusName,
  SECTOR_SIZE,
} from "../../devices/block/index.ts";
import type { RingDriver, RingDriverHost } from "../../runtime/index.ts";
import { expectedWord, fillPattern, findMismatch } from "../pattern.ts";
import { RequestTimes } from "./request-times.ts";
import { Schedule } from "./schedule.ts";
import type { BlockWorkload } from "./workloads.ts";

/** Of `mix`: the share of reads, as fio's default for tests of both. */
const READ_SHARE = 0.7;

/** What one queue has to do; goes to its thread as a clone. */
export interface BlockLoadSpec {
  readonly workload: BlockWorkload;
  readonly blockBytes: number;
  readonly depth: number;
  /** Bytes: the part of the device that this queue works on. */
  readonly start: number;
  readonly length: number;
  readonly seed: number;
  /** What is read is compared with the pattern, which must be there already. */
  readonly verify: boolean;
  readonly warmUpMs: number;
  /** Milliseconds after the warm-up; or so many requests. */
  readonly durationMs: number | undefined;
  readonly requests: number | undefined;
  /** Requests a second; undefined: as many as possible. */
  readonly rate: number | undefined;
  /** One u32: completions so far, warm-up included. */
  readonly progress: SharedArrayBuffer;
}

/** What one queue came to. Only what completed after the warm-up is counted. */
export interface BlockLoadResult {
  readonly requests: number;
  /** From the end of the warm-up to the last completion. */
  readonly seconds: number;
  /** Nanoseconds from submission (with a rate: from when it was due) to completion. */
  readonly latency: RecordableHistogram;
  /** Why it ended early, if so. */
  readonly failure: string | undefined;
}

/** Requests that are prepared while others are in flight, at most. */
const SPARE = 64;

/** How many slots a load of some depth has. */
export function loadSlots(depth: number): number {
  return depth + Math.min(depth, SPARE);
}

/**
 * The driver of one queue, see `RingDriver`: keeps `depth` requests in flight. The next ones are
 * prepared, and those that came back looked at, once the device has its work: it waits for nothing
 * but descriptors.
 */
export class BlockLoad implements RingDriver {
  /** Nothing more is submitted. */
  #ended = false;
  readonly #spec: BlockLoadSpec;
  readonly #ring: RingDriverHost["queue"];
  readonly #slots: BlockSlots;
  readonly #words: readonly Int32Array[];
  readonly #schedule: Schedule;
  readonly #times: RequestTimes;
  readonly #progress: Uint32Array;
  /** Slots with a request to be submitted, a ring of all: what is prepared first goes first. */
  readonly #ready: Int32Array;
  #readyFirst = 0;
  #readyCount = 0;
  /** Slots that came back and were not looked at. */
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

  constructor({ queue, memory }: RingDriverHost, spec: BlockLoadSpec) {
    const { workload, blockBytes } = spec;
    const slots = loadSlots(spec.depth);
    this.#spec = spec;
    this.#ring = queue;
    this.#slots = new BlockSlots(memory, slots, blockBytes);
    this.#words = Array.from({ length: slots }, (_, slot) => {
      const data = this.#slots.data(slot);
      return new Int32Array(data.buffer, data.byteOffset, blockBytes / 4);
    });
    this.#schedule = new Schedule(spec);
    this.#progress = new Uint32Array(spec.progress);
    this.#times = new RequestTimes(this.#schedule, slots);
    this.#position = new Float64Array(slots);
    this.#reads = new Uint8Array(slots);
    this.#blocks = Math.floor(spec.length / blockBytes);
    this.#isRandom = workload !== "read" && workload !== "write";
    const share = workload === "mix" ? READ_SHARE : workload.endsWith("read") ? 1 : 0;
    this.#readBelow = share * 2 ** 32;
    this.#random = spec.seed | 1;
    this.#ready = new Int32Array(slots);
    this.#back = new Int32Array(slots);
    for (let slot = 0; slot < slots; slot += 1) this.#prepare(slot);
  }

  get finished(): boolean {
    return this.#ended && this.#inFlight === 0;
  }

  get dueUs(): number {
    const waits = this.#spec.rate === undefined || this.#ended;
    // Without room it is a completion that is waited for.
    return waits || this.#inFlight === this.#spec.depth ? -1 : this.#schedule.dueUs();
  }

  submit(): void {
    const rated = this.#spec.rate !== undefined;
    const now = rated ? performance.now() : this.#times.now;
    if (this.#schedule.isOver(now)) this.#ended = true;
    while (!this.#ended && this.#inFlight < this.#spec.depth && this.#readyCount > 0) {
      const due = rated ? this.#schedule.take(now) : -1;
      if (rated && due < 0) return;
      const slot = this.#takeReady();
      this.#slots.put(this.#ring, slot);
      this.#inFlight += 1;
      this.#times.begin(slot, due);
    }
  }

  done(slot: number): void {
    this.#times.end(slot);
    this.#inFlight -= 1;
    this.#back[this.#backCount] = slot;
    this.#backCount += 1;
  }

  account(): void {
    this.#times.settle();
    this.#completed += this.#backCount;
    this.#progress[0] = this.#completed;
    for (let i = 0; i < this.#backCount; i += 1) {
      const slot = this.#back[i] ?? 0;
      this.#lookAt(slot);
      this.#prepare(slot);
    }
    this.#backCount = 0;
  }

  finish(): void {
    this.#ended = true;
  }

  result(): BlockLoadResult {
    return {
      requests: this.#times.counted,
      seconds: Math.max(0, this.#times.last - this.#schedule.begin) / 1000,
      latency: this.#times.latency,
      failure: this.#failure,
    };
  }

  #lookAt(slot: number): void {
    const status = this.#slots.status(slot);
    if (status !== BlockStatus.Ok) {
      this.#fail(slot, `the device answered ${blockStatusName(status)}`);
    } else if (this.#spec.verify && this.#reads[slot] === 1) {
      this.#compare(slot);
    }
  }

  #prepare(slot: number): void {
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
    const at = this.#readyFirst + this.#readyCount;
    this.#ready[at < this.#ready.length ? at : at - this.#ready.length] = slot;
    this.#readyCount += 1;
  }

  #takeReady(): number {
    const slot = this.#ready[this.#readyFirst] ?? 0;
    const next = this.#readyFirst + 1;
    this.#readyFirst = next < this.#ready.length ? next : 0;
    this.#readyCount -= 1;
    return slot;
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
    this.#failure ??= `${work} ${this.#spec.blockBytes} bytes at byte ${this.#position[slot]}: ${what}`;
    this.#ended = true;
  }
}

/** For the thread that drives the queue, see `RingDriverModule`. */
export function createRingDriver(host: RingDriverHost, data: unknown): RingDriver {
  return new BlockLoad(host, data as BlockLoadSpec);
}
