import { blockType } from "../../../../endpoints/devices/block/type.ts";
import { readFileSync } from "node:fs";
import { randomInt } from "node:crypto";
import {
  counted,
  StalledError,
  UsageError,
  type WaitOptions,
} from "../../../../core/base/index.ts";
import {
  BLOCK_DRIVER_FEATURES,
  BlockDriver,
  SECTOR_SIZE,
} from "../../../../endpoints/devices/block/index.ts";
import {
  MismatchError,
  verifyBlock,
  type VerifyResult,
} from "../../../../lab/kits/block/workloads/index.ts";
import type { RingMode } from "../../../../core/runtime/index.ts";
import { openDriver } from "../../connect-client.ts";
import type { Context } from "../../context.ts";
import { CommandError, ExitCode } from "../../exit-code.ts";
import { saveUserFile, withUserFile } from "../../files.ts";
import { formatSize } from "../../units.ts";
import { isLoss, type RequestOptions, withDriverOf } from "../../commands/io/common.ts";

interface RangeOptions extends RequestOptions {
  readonly offset: number;
  readonly length: number;
}

export async function read(
  socket: string,
  options: RangeOptions & { readonly out?: string | undefined; readonly force?: true | undefined },
  context: Context,
): Promise<void> {
  const { output } = context;
  checkRange(options);
  await withDriver(socket, options, context, async (driver, wait) => {
    const bytes = await driver.read(options.offset, options.length, wait);
    if (options.out !== undefined) {
      saveUserFile(options.out, bytes, options.force === true);
      output.note(`${formatSize(bytes.length)} at byte ${options.offset} saved to ${options.out}`);
    } else if (output.stdoutIsTerminal) {
      for (const line of hexDump(bytes, options.offset)) output.print(line);
    } else {
      output.bytes(bytes);
    }
  });
}

export async function write(
  socket: string,
  options: RequestOptions & {
    readonly offset: number;
    readonly length?: number | undefined;
    readonly in?: string | undefined;
  },
  context: Context,
): Promise<void> {
  checkRange(options);
  const input = readInput(options.in);
  const length = options.length ?? input.length;
  if (length > input.length || length % SECTOR_SIZE !== 0 || length === 0) {
    const source = options.in ?? "standard input";
    throw new UsageError(
      options.length === undefined
        ? `${source} has ${counted(input.length, "byte")}, which is not a positive multiple of ${SECTOR_SIZE}; use --length to write only the first bytes`
        : `--length ${length} is more than the ${counted(input.length, "byte")} of ${source}`,
    );
  }
  await withDriver(socket, options, context, async (driver, wait) => {
    await driver.write(options.offset, input.subarray(0, length), wait);
    await driver.flush(wait);
    context.output.note(`${formatSize(length)} written at byte ${options.offset} and flushed`);
  });
}

export async function flush(
  socket: string,
  options: RequestOptions,
  context: Context,
): Promise<void> {
  await withDriver(socket, options, context, async (driver, wait) => driver.flush(wait));
}

export async function id(socket: string, options: RequestOptions, context: Context): Promise<void> {
  await withDriver(socket, options, context, async (driver, wait) => {
    context.output.print(await driver.id(wait));
  });
}

export async function discard(
  socket: string,
  options: RangeOptions,
  context: Context,
): Promise<void> {
  checkRange(options);
  await withDriver(socket, options, context, async (driver, wait) => {
    await driver.discard(options.offset, options.length, wait);
    context.output.note(`${formatSize(options.length)} discarded at byte ${options.offset}`);
  });
}

export async function writeZeroes(
  socket: string,
  options: RangeOptions & { readonly unmap?: true | undefined },
  context: Context,
): Promise<void> {
  checkRange(options);
  await withDriver(socket, options, context, async (driver, wait) => {
    await driver.writeZeroes(options.offset, options.length, {
      ...wait,
      unmap: options.unmap === true,
    });
    context.output.note(`${formatSize(options.length)} zeroed at byte ${options.offset}`);
  });
}

export interface VerifyOptions extends RequestOptions {
  readonly length?: number | undefined;
  readonly depth: readonly number[];
  readonly ringMode: readonly RingMode[];
  readonly blockSize: number;
  readonly seed?: number | undefined;
  readonly overwrite?: true | undefined;
  readonly json?: true | undefined;
}

export async function verify(
  socket: string,
  options: VerifyOptions,
  context: Context,
): Promise<void> {
  const { output, signal } = context;
  const { length: size, blockSize, overwrite } = options;
  expectSectors("--block-size", blockSize);
  const seed = options.seed ?? randomInt(2 ** 31);
  const cases = options.ringMode.flatMap((ringMode) =>
    options.depth.map((depth) => ({ depth, ringMode })),
  );
  const results: VerifyResult[] = [];
  let started = false;
  const head = { schemaVersion: 1, kind: "io-block-verify", socket, seed } as const;
  output.note(`seed ${seed}`);
  try {
    for await (const result of verifyBlock({
      open: async (more, start) =>
        openDriver({ socket, options, context, device: blockType, more }, start),
      size,
      cases,
      seed,
      transferBytes: blockSize,
      overwrite: overwrite === true,
      stallMs: options.ioTimeout,
      signal,
      onStart: () => {
        started = true;
      },
      onProgress: ({ phase, depth, ringMode, bytes, size: all }) => {
        const at = performance.now();
        output.progress(() => {
          const percent = Math.floor((bytes / all) * 100);
          const idle = Math.floor((performance.now() - at) / 1000);
          const stalled = idle < 1 ? "" : `, nothing completed for ${idle} s`;
          return `depth ${depth}, ${ringMode}: ${phase} ${percent} %${stalled}`;
        });
      },
    })) {
      results.push(result);
      if (!options.json) output.print(verifyLine(result));
    }
  } catch (error) {
    if (started) {
      const reason: unknown = signal.aborted ? signal.reason : error;
      const endedBy = reason instanceof Error ? reason.message : String(reason);
      const done = `${results.length} of ${counted(cases.length, "case")} verified`;
      if (options.json) output.json({ ...head, verified: false, partial: true, endedBy, results });
      else if (signal.aborted) output.print(`partial result: ${endedBy}, ${done}`);
    }
    const failed = error instanceof MismatchError || error instanceof StalledError;
    if (!(failed || (started && isLoss(error)))) throw error;
    throw new CommandError(ExitCode.Failed, `${error.message} (seed ${seed})`, { cause: error });
  }
  if (options.json) output.json({ ...head, verified: true, partial: false, results });
}

function verifyLine({ depth, ringMode, bytes, writeMiBs, readMiBs }: VerifyResult): string {
  return (
    `depth ${String(depth).padStart(3)}, ${ringMode.padEnd(5)}  ` +
    `write ${writeMiBs.toFixed(0).padStart(5)} MiB/s  read and compare ${readMiBs.toFixed(0).padStart(5)} MiB/s  ` +
    `${formatSize(bytes)} verified`
  );
}

async function withDriver(
  socket: string,
  options: RequestOptions,
  context: Context,
  use: (driver: BlockDriver, wait: WaitOptions) => Promise<void>,
): Promise<void> {
  const more = { deviceFeatures: BLOCK_DRIVER_FEATURES };
  await withDriverOf(
    { socket, options, context, device: blockType, more },
    async (client) => BlockDriver.start(client),
    async (driver) => use(driver, { timeoutMs: options.ioTimeout, signal: context.signal }),
  );
}

/**
 * Checks the options that are wrong for any device.
 *
 * @throws {UsageError}
 */
function checkRange({ offset, length }: { offset: number; length?: number | undefined }): void {
  if (offset % SECTOR_SIZE !== 0) {
    throw new UsageError(`--offset must be a multiple of ${SECTOR_SIZE} bytes, not ${offset}`);
  }
  if (length === undefined) return;
  expectSectors("--length", length);
}

function expectSectors(option: string, bytes: number): void {
  if (bytes > 0 && bytes % SECTOR_SIZE === 0) return;
  throw new UsageError(
    `${option} must be a positive multiple of ${SECTOR_SIZE} bytes, not ${bytes}`,
  );
}

function readInput(path: string | undefined): Uint8Array {
  if (path === undefined) return readFileSync(0);
  return withUserFile(path, "an input file", "name another", () => readFileSync(path));
}

function hexDump(bytes: Uint8Array, offset: number): string[] {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16);
    const hex = Array.from(row, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = Array.from(row, (byte) =>
      byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".",
    ).join("");
    lines.push(`${(offset + at).toString(16).padStart(8, "0")}  ${hex.padEnd(47)}  ${text}`);
  }
  return lines;
}
