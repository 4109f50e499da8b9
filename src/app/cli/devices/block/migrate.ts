import { blockType } from "../../../../endpoints/devices/block/type.ts";
import { randomInt } from "node:crypto";
import { counted, UsageError } from "../../../../core/base/index.ts";
import { BLOCK_DRIVER_FEATURES } from "../../../../endpoints/devices/block/index.ts";
import {
  type BlockMigrationResult,
  migrateUnderLoad,
  type MigrationPhase,
  MismatchError,
} from "../../../../lab/kits/block/workloads/index.ts";
import { type ConnectOptions, connectClient } from "../../connect-client.ts";
import type { Context } from "../../context.ts";
import { CommandError, ExitCode } from "../../exit-code.ts";
import { formatSize } from "../../units.ts";
import { isLoss } from "../../commands/io/common.ts";

const PAGE_SIZE = 4096;

export interface MigrateOptions extends ConnectOptions {
  readonly depth: number;
  readonly blockSize: number;
  readonly maxRounds: number;
  readonly seed?: number | undefined;
  readonly overwrite?: true | undefined;
  readonly json?: true | undefined;
  /** Milliseconds. */
  readonly ioTimeout: number;
}

export async function runMigrate(
  source: string,
  destination: string,
  options: MigrateOptions,
  context: Context,
): Promise<void> {
  const { output, signal } = context;
  const { depth: workers, blockSize: blockBytes, maxRounds, overwrite, ioTimeout } = options;
  if (blockBytes % 512 !== 0 || blockBytes === 0)
    throw new UsageError(
      `--block-size must be a positive multiple of 512 bytes, not ${blockBytes}`,
    );
  const seed = options.seed ?? randomInt(2 ** 31);
  const features = { deviceFeatures: BLOCK_DRIVER_FEATURES };
  // As who manages guests does: what the destination lacks is not used from the beginning.
  const there = await connectClient(destination, options, context, blockType, features);
  const without = { virtio: ~there.features, protocol: ~there.protocolFeatures };
  await there.close();
  const more = { ...features, without };
  const client = await connectClient(source, options, context, blockType, more);
  const head = { schemaVersion: 1, kind: "migrate", source, destination, seed } as const;
  let course: { readonly phase: MigrationPhase; readonly verified: () => number } | undefined;
  try {
    const result = await migrateUnderLoad({
      client,
      destination,
      seed,
      workers,
      blockBytes,
      overwrite,
      signal,
      timeoutMs: ioTimeout,
      migration: { maxRounds, compare: true },
      onPhase: (phase, verified) => {
        course = { phase, verified };
        output.progress(
          () => `${phase} the migration: ${counted(verified(), "write")} read back and compared`,
        );
      },
    });
    course = undefined;
    const missed = result.missedPages?.length ?? 0;
    if (options.json) output.json({ ...head, verified: missed === 0, partial: false, ...result });
    else for (const line of lines(result)) output.print(line);
    if (missed > 0) {
      throw new CommandError(
        ExitCode.Failed,
        `the source changed ${counted(missed, "page")} that it did not mark in the dirty log, the first at guest address ` +
          `0x${((result.missedPages?.[0] ?? 0) * PAGE_SIZE).toString(16)} (seed ${seed})`,
      );
    }
    if (!options.json) output.print("ok: nothing was lost, every byte is right");
  } catch (error) {
    if (course !== undefined) {
      const reason: unknown = signal.aborted ? signal.reason : error;
      const endedBy = reason instanceof Error ? reason.message : String(reason);
      const { phase } = course;
      const writes = course.verified();
      const document = { ...head, verified: false, partial: true };
      if (options.json) output.json({ ...document, endedBy, phase, writes });
      else if (signal.aborted) {
        const done = `${counted(writes, "write")} read back and compared`;
        output.print(`partial result: ${endedBy} ${phase} the migration, ${done}`);
      }
    }
    if (!(error instanceof MismatchError || isLoss(error))) throw error;
    throw new CommandError(ExitCode.Failed, `${error.message} (seed ${seed})`, { cause: error });
  } finally {
    await client.close();
  }
}

function* lines(result: BlockMigrationResult): Iterable<string> {
  const { rounds, downMs, stateBytes, before, during, after } = result;
  yield `before     ${counted(before, "write")}, each read back and compared`;
  for (const [i, { pages, byDevice }] of rounds.entries()) {
    const name = i === rounds.length - 1 ? "stopped" : `round ${i + 1}`;
    const marked = i === 0 ? "" : `, ${byDevice} of them marked by the source`;
    yield `${name.padEnd(11)}${counted(pages, "page")} (${formatSize(pages * PAGE_SIZE)})${marked}`;
  }
  yield `state      ${stateBytes === undefined ? "not transferred" : counted(stateBytes, "byte")}`;
  yield `down       ${downMs.toFixed(1)} ms`;
  yield `during     ${counted(during, "write")}, each read back and compared`;
  yield `after      ${counted(after, "write")}, each read back and compared`;
}
