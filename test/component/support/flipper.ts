import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { osModule } from "./child.ts";

/** 32-bit words of a file that are rewritten repeatedly, and their values. */
export interface FlipTarget {
  /** Offset in the file and words. */
  readonly offset: number;
  readonly words: number;
  /** Values of the four words of a descriptor, by the place in it; of other words: all of them. */
  readonly values: readonly (readonly number[])[];
}

/**
 * A thread with a mapping of its own that rewrites shared memory while a half of a ring reads it:
 * whole words, half words and single bits, sensible values most of the time.
 */
export class Flipper {
  readonly #worker: Worker;
  readonly #counts: Int32Array;

  private constructor(worker: Worker, counts: Int32Array) {
    this.#worker = worker;
    this.#counts = counts;
  }

  /** @param size bytes of the file */
  static async start(fd: number, size: number, targets: readonly FlipTarget[]): Promise<Flipper> {
    const counts = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(
      `const { workerData, parentPort } = require("node:worker_threads");
       import(workerData.os).then(({ Mapping }) => {
         const { fd, size, targets, counts } = workerData;
         const mapping = Mapping.map(fd, { offset: 0, length: size, writable: true });
         const words = new Uint32Array(mapping.buffer);
         const halves = new Uint16Array(mapping.buffer);
         let state = 1;
         const random = (below) => {
           state = (Math.imul(state, 1664525) + 1013904223) | 0;
           return (state >>> 8) % below;
         };
         parentPort.postMessage("ready");
         for (;;) {
           for (let i = 0; i < 1024; i++) {
             const { offset, words: count, values } = targets[random(targets.length)];
             const word = random(count);
             const at = offset / 4 + word;
             const choice = values[word % values.length];
             const kind = random(16);
             if (kind === 0) words[at] = random(1 << 24) * 257;
             else if (kind === 1) words[at] ^= 1 << random(32);
             else if (kind === 2) halves[at * 2 + random(2)] = random(1 << 16);
             else words[at] = choice[random(choice.length)];
           }
           Atomics.add(counts, 0, 1024);
         }
       });`,
      { eval: true, workerData: { os: osModule, fd, size, targets, counts } },
    );
    const flipper = new Flipper(worker, counts);
    await once(worker, "message");
    return flipper;
  }

  /** Words rewritten so far. */
  get flips(): number {
    return Atomics.load(this.#counts, 0) >>> 0;
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}
