import { UsageError, type WaitOptions } from "../../../../core/base/index.ts";
import { BlockDriver } from "../../../../endpoints/devices/block/index.ts";
import type {
  Client,
  MigrationOptions,
  MigrationReport,
} from "../../../../endpoints/frontend/index.ts";
import { MismatchError } from "./pass.ts";
import { expectedWord, fillPattern, findMismatch } from "../../../workloads/pattern.ts";

/** Blocks of each worker; all of them are read at once. */
const BLOCKS = 16;
/** Writes of each worker before the migration begins, and after it. */
const WRITES = 32;

export interface BlockMigrationOptions extends WaitOptions {
  /** Connected to the source. */
  readonly client: Client;
  /** The socket path of the destination. */
  readonly destination: string;
  readonly seed: number;
  /** Workers, each with a range of the disk of its own. Default 4. */
  readonly workers?: number | undefined;
  /** Bytes of each write, a multiple of 512. Default 4096. */
  readonly blockBytes?: number | undefined;
  /** Writes over what is on the device. Default false: a device that is not blank is refused. */
  readonly overwrite?: boolean | undefined;
  readonly migration?: MigrationOptions | undefined;
  /** A phase begins; `verified` is the number of writes that have been read back by then. */
  readonly onPhase?: ((phase: MigrationPhase, verified: () => number) => void) | undefined;
}

/** The writes of a phase are before, during or after the migration. */
export type MigrationPhase = "before" | "during" | "after";

export interface BlockMigrationResult extends MigrationReport {
  /** Writes that were read back and compared before the migration, during it, and after it. */
  readonly before: number;
  readonly during: number;
  readonly after: number;
}

/**
 * Migrates a block session while it writes, reads back and compares all the time.
 *
 * @throws {MismatchError} data differs
 * @throws {UsageError} the disk is too small, read-only, or not blank; and whatever the client throws
 */
export async function migrateUnderLoad(
  options: BlockMigrationOptions,
): Promise<BlockMigrationResult> {
  const { client, destination, workers = 4, blockBytes = 4096, signal, migration } = options;
  const { onPhase } = options;
  const share = BLOCKS * blockBytes;
  const driver = await BlockDriver.start(client, {
    depth: Math.max(4, workers),
    transferBytes: share,
  });
  await expectDisk(driver, workers * share, options);
  const stop = new AbortController();
  const load = Array.from({ length: workers }, (_, i) => new Worker(driver, i * share, options));
  const running = Promise.all(load.map(async (worker) => worker.run(stop.signal)));
  // The waits below reject with the same error.
  running.catch(() => stop.abort());
  const verified = (): number => load.reduce((sum, worker) => sum + worker.verified, 0);
  const further = async (): Promise<void> => {
    const goals = load.map((worker) => worker.reached(worker.verified + WRITES));
    await Promise.race([Promise.all(goals), running]);
    signal?.throwIfAborted();
  };
  try {
    onPhase?.("before", verified);
    await further();
    const before = verified();
    onPhase?.("during", verified);
    const report = await client.migrate(destination, { signal, ...migration });
    const during = verified() - before;
    onPhase?.("after", verified);
    await further();
    stop.abort();
    await running;
    return { ...report, before, during, after: verified() - before - during };
  } finally {
    stop.abort();
    await running.catch(() => undefined);
  }
}

/** Writes blocks of its range in turn, and reads all of the range after each. */
class Worker {
  verified = 0;
  readonly #driver: BlockDriver;
  readonly #start: number;
  readonly #blockBytes: number;
  readonly #wait: WaitOptions;
  /** Seed of each block as it was written last. */
  readonly #seeds: number[] = [];
  #seed: number;
  #goal: { count: number; resolve: () => void } | undefined;

  constructor(driver: BlockDriver, start: number, options: BlockMigrationOptions) {
    const { blockBytes = 4096, seed, signal, timeoutMs } = options;
    this.#driver = driver;
    this.#start = start;
    this.#blockBytes = blockBytes;
    this.#wait = { signal, timeoutMs };
    this.#seed = seed + start;
  }

  async run(stop: AbortSignal): Promise<void> {
    for (let i = 0; !stop.aborted; i += 1) {
      await this.#write(i % BLOCKS);
      await this.#compare();
      this.verified += 1;
      if (this.#goal !== undefined && this.verified >= this.#goal.count) this.#goal.resolve();
    }
  }

  /** Resolves once `count` writes are verified. */
  async reached(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#goal = { count, resolve };
    });
  }

  async #write(block: number): Promise<void> {
    this.#seed += 1;
    this.#seeds[block] = this.#seed;
    const at = this.#start + block * this.#blockBytes;
    const words = new Int32Array(this.#blockBytes / 4);
    fillPattern(words, this.#seed, at);
    await this.#driver.write(at, new Uint8Array(words.buffer), this.#wait);
  }

  async #compare(): Promise<void> {
    const bytes = await this.#driver.read(this.#start, BLOCKS * this.#blockBytes, this.#wait);
    for (const [block, seed] of this.#seeds.entries()) {
      const from = block * this.#blockBytes;
      const words = new Int32Array(bytes.buffer, bytes.byteOffset + from, this.#blockBytes / 4);
      const wrong = findMismatch(words, seed, this.#start + from);
      if (wrong < 0) continue;
      const at = this.#start + from + wrong * 4;
      throw new MismatchError(at, hex(expectedWord(seed, at)), hex(words[wrong] ?? 0));
    }
  }
}

async function expectDisk(
  driver: BlockDriver,
  size: number,
  { overwrite = false, signal, timeoutMs }: BlockMigrationOptions,
): Promise<void> {
  if (driver.readOnly) throw new UsageError("the device is read-only; use a writable one");
  if (size > driver.size) {
    throw new UsageError(
      `the device has ${driver.size} bytes; use one of at least ${size}, or a smaller depth`,
    );
  }
  if (overwrite) return;
  const before = await driver.read(0, size, { signal, timeoutMs });
  const offset = before.findIndex((byte) => byte !== 0);
  if (offset < 0) return;
  throw new UsageError(
    `the device is not blank: there is data at byte ${offset}; add --overwrite to write over it`,
  );
}

function hex(word: number): string {
  return `0x${(word >>> 0).toString(16).padStart(8, "0")}`;
}
