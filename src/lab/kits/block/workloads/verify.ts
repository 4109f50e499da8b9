import { UsageError, type WaitOptions } from "../../../../core/base/index.ts";
import { BLOCK_DRIVER_FEATURES, BlockDriver } from "../../../../endpoints/devices/block/index.ts";
import { Client, type ClientOptions } from "../../../../endpoints/frontend/index.ts";
import type { RingMode } from "../../../../core/runtime/index.ts";
import { MismatchError, runBlockPass } from "./pass.ts";

/** One way of doing I/O that is verified. */
export interface VerifyCase {
  readonly depth: number;
  readonly ringMode: RingMode;
}

export interface BlockVerifyOptions extends WaitOptions {
  /** Opens a connection for each case, and has `start` bring its driver up. */
  readonly open: <D>(
    options: ClientOptions,
    start: (client: Client) => Promise<D>,
  ) => Promise<{ readonly client: Client; readonly driver: D }>;
  /** Bytes from the beginning of the device; default all of it. */
  readonly size?: number | undefined;
  readonly cases: readonly VerifyCase[];
  readonly seed: number;
  /** Bytes of each request. Default 64 KiB. */
  readonly transferBytes?: number | undefined;
  /** Writes over what is on the device. Default false: a device that is not blank is refused. */
  readonly overwrite?: boolean | undefined;
  /** Milliseconds without any completion after which the run fails. Default 30 s. */
  readonly stallMs?: number | undefined;
  /** A case's handshake is over, its I/O begins. */
  readonly onStart?: (() => void) | undefined;
  readonly onProgress?: ((progress: VerifyProgress) => void) | undefined;
}

export interface VerifyProgress {
  readonly phase: "looking for data" | "writing" | "reading back";
  readonly depth: number;
  readonly ringMode: RingMode;
  readonly bytes: number;
  readonly size: number;
}

export interface VerifyResult extends VerifyCase {
  /** Bytes that were written, read back and compared. */
  readonly bytes: number;
  readonly writeMiBs: number;
  readonly readMiBs: number;
}

/**
 * Writes a pattern over a block device, reads it back and compares, once for each case and with
 * another pattern each time, so that data of an earlier case does not pass for that of a later one.
 *
 * @throws {UsageError} the device is smaller, read-only, or not blank
 * @throws {MismatchError} data differs; and whatever the client throws
 */
export async function* verifyBlock(options: BlockVerifyOptions): AsyncGenerator<VerifyResult> {
  const { cases, overwrite = false } = options;
  for (const [index, each] of cases.entries()) {
    yield await verifyCase(options, each, options.seed + index, index === 0 && !overwrite);
  }
}

async function verifyCase(
  options: BlockVerifyOptions,
  { depth, ringMode }: VerifyCase,
  seed: number,
  expectBlank: boolean,
): Promise<VerifyResult> {
  const { transferBytes = 65_536, signal, stallMs, onProgress } = options;
  const memory = { size: depth * (transferBytes + 4096) + (4 << 20) };
  const { client, driver } = await options.open(
    { deviceFeatures: BLOCK_DRIVER_FEATURES, memory },
    async (made) => BlockDriver.start(made, { depth, ringMode, transferBytes }),
  );
  try {
    const size = options.size ?? driver.size;
    checkTarget(driver, size);
    options.onStart?.();
    const [queue] = driver.queues;
    if (queue === undefined)
      throw new UsageError("the device has no queue; use a device with at least one");
    const run = async (phase: VerifyProgress["phase"], work: "expect-blank" | "write" | "verify") =>
      runBlockPass(queue, {
        work,
        size,
        seed,
        signal,
        stallMs,
        onProgress: (bytes) => onProgress?.({ phase, depth, ringMode, bytes, size }),
      });
    if (expectBlank) {
      await run("looking for data", "expect-blank").catch((error: unknown) => {
        if (!(error instanceof MismatchError)) throw error;
        throw new UsageError(
          `the device is not blank: there is data at byte ${error.offset}; ` +
            `add --overwrite to write over it`,
        );
      });
    }
    const write = await run("writing", "write");
    await driver.flush({ signal, timeoutMs: stallMs });
    const read = await run("reading back", "verify");
    return { depth, ringMode, bytes: size, writeMiBs: rate(write), readMiBs: rate(read) };
  } finally {
    await client.close();
  }
}

function checkTarget(driver: BlockDriver, size: number): void {
  if (driver.readOnly) throw new UsageError("the device is read-only; use a writable one");
  if (size > driver.size || size <= 0 || size % 512 !== 0) {
    throw new UsageError(
      `the length must be a multiple of 512 up to the ${driver.size} bytes of the device, and is ${size}`,
    );
  }
}

function rate({ bytes, seconds }: { bytes: number; seconds: number }): number {
  return bytes / (1 << 20) / seconds;
}
