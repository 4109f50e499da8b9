import assert from "node:assert/strict";
import { Deferred } from "../../src/core/base/index.ts";
import {
  BlockQueue,
  BlockRequest,
  BlockStatus,
  SECTOR_SIZE,
} from "../../src/endpoints/devices/block/index.ts";
import type { Client } from "../../src/endpoints/frontend/index.ts";
import { fillPattern, findMismatch } from "../../src/lab/workloads/pattern.ts";
import type { RingMode } from "../../src/core/runtime/index.ts";

const BLOCK = 4096;

export interface KillLoadOptions {
  /** 4 KiB blocks that are written repeatedly. */
  readonly blocks: number;
  readonly depth: number;
  readonly ringMode: RingMode;
  readonly seed: number;
}

/**
 * Requests without a pause on one queue: random blocks, two writes for each read. Each block's
 * contents encode how often it was written, so a write that is lost, torn, or done again after a later
 * one is found. A request that completes twice is found at once.
 */
export class KillLoad {
  completed = 0;
  /** Completions that came before one that was submitted earlier. */
  overtaken = 0;
  readonly #options: KillLoadOptions;
  readonly #queue: BlockQueue;
  readonly #words: Int32Array[] = [];
  /** How often each block was written; negative: a request for it is out. */
  readonly #generations: Int32Array;
  /** By slot: block (-1: nothing is out), generation that is written (0: read), number of the request. */
  readonly #block: Int32Array;
  readonly #writing: Int32Array;
  readonly #number: Float64Array;
  #idle: Deferred<void> | undefined;
  #progress: Deferred<void> | undefined;
  #submitted = 0;
  #random: number;
  #stopping = false;
  #failure: Error | undefined;

  private constructor(queue: BlockQueue, options: KillLoadOptions) {
    this.#queue = queue;
    this.#options = options;
    this.#random = options.seed;
    this.#generations = new Int32Array(options.blocks);
    this.#block = new Int32Array(options.depth).fill(-1);
    this.#writing = new Int32Array(options.depth);
    this.#number = new Float64Array(options.depth);
    for (let slot = 0; slot < options.depth; slot += 1) {
      const data = queue.data(slot);
      this.#words.push(new Int32Array(data.buffer, data.byteOffset, BLOCK / 4));
    }
  }

  static async start(client: Client, options: KillLoadOptions): Promise<KillLoad> {
    const { depth, ringMode } = options;
    const idle = { done: () => undefined, failed: () => undefined };
    const queue = await BlockQueue.start(
      client,
      { index: 0, size: 64, depth, transferBytes: BLOCK, ringMode },
      idle,
    );
    const load = new KillLoad(queue, options);
    queue.handler = {
      done: (slot, status) => load.#done(slot, status),
      batchDone: () => load.#submit(),
      failed: (error) => load.#fail(error),
    };
    load.#submit();
    return load;
  }

  /** Resolves at the next completion, or when something went wrong. */
  async progress(): Promise<void> {
    this.#progress ??= new Deferred<void>({ timeoutMs: 60_000 });
    await this.#progress.promise;
  }

  /** What went wrong so far. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Waits for what is out. @throws when something is lost or wrong */
  async finish(): Promise<void> {
    this.#stopping = true;
    this.#idle = new Deferred<void>({ timeoutMs: 60_000 });
    if (this.#queue.outstanding === 0 || this.#failure) this.#idle.resolve();
    await this.#idle.promise.catch((error: unknown) => {
      throw new Error(`${this.#queue.outstanding} requests never completed`, { cause: error });
    });
    if (this.#failure) throw this.#failure;
    assert.equal(this.completed, this.#submitted);
  }

  /** Compares the disk's bytes with what was written. */
  expectOn(disk: Uint8Array): void {
    for (const [block, generation] of this.#generations.entries()) {
      const words = new Int32Array(BLOCK / 4);
      new Uint8Array(words.buffer).set(disk.subarray(block * BLOCK, (block + 1) * BLOCK));
      this.#expect(words, block, generation);
    }
  }

  #submit(): void {
    const queue = this.#queue;
    while (!this.#stopping && this.#failure === undefined) {
      const block = this.#below(this.#options.blocks);
      const generation = this.#generations[block] ?? 0;
      if (generation < 0) break;
      const slot = queue.acquire();
      if (slot < 0) break;
      const write = this.#below(3) > 0;
      this.#block[slot] = block;
      this.#writing[slot] = write ? generation + 1 : 0;
      this.#number[slot] = this.#submitted++;
      this.#generations[block] = -1 - generation;
      const words = this.#words[slot];
      if (write && words) fillPattern(words, generation + 1, block * BLOCK);
      const type = write ? BlockRequest.Out : BlockRequest.In;
      queue.submit(slot, type, (block * BLOCK) / SECTOR_SIZE, BLOCK);
    }
    queue.publish();
    if (queue.outstanding > 0) return;
    if (this.#stopping) this.#idle?.resolve();
    else if (this.#failure === undefined) this.#submit();
  }

  #done(slot: number, status: number): void {
    const block = this.#block[slot] ?? -1;
    if (block < 0) return this.#fail(new Error(`the request of slot ${slot} completed twice`));
    const before = -1 - (this.#generations[block] ?? 0);
    const written = this.#writing[slot] ?? 0;
    if (status !== BlockStatus.Ok) this.#fail(new Error(`block ${block}: status ${status}`));
    const words = this.#words[slot];
    if (written === 0 && words) this.#expect(words, block, before);
    this.#generations[block] = written === 0 ? before : written;
    this.#block[slot] = -1;
    const number = this.#number[slot] ?? 0;
    if (this.#block.some((other, i) => other >= 0 && (this.#number[i] ?? 0) < number))
      this.overtaken += 1;
    this.completed += 1;
    this.#progress?.resolve();
    this.#progress = undefined;
    this.#queue.release(slot);
  }

  #expect(words: Int32Array, block: number, generation: number): void {
    const at =
      generation === 0
        ? words.findIndex((word) => word !== 0)
        : findMismatch(words, generation, block * BLOCK);
    if (at >= 0) {
      this.#fail(new Error(`block ${block} differs from write ${generation} at byte ${at * 4}`));
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#progress?.resolve();
    this.#idle?.resolve();
  }

  #below(limit: number): number {
    this.#random = (Math.imul(this.#random, 1664525) + 1013904223) >>> 0;
    return Math.floor((this.#random / 2 ** 32) * limit);
  }
}
