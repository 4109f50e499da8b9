import { UsageError } from "../../../../core/base/index.ts";
import { EntropyBudget, RngDevice } from "../../../../endpoints/devices/rng/index.ts";
import type { Context } from "../../context.ts";
import { formatSize } from "../../units.ts";
import {
  endOnSignal,
  expectOneSocket,
  listedFaults,
  serveDevice,
  type ServeOptions,
} from "../../commands/serve/common.ts";

export interface ServeRngOptions extends ServeOptions {
  /** Bytes. */
  readonly maxBytes?: number | undefined;
  /** Milliseconds. */
  readonly period: number;
}

export async function serveRng(options: ServeRngOptions, context: Context): Promise<void> {
  if (listedFaults(options, context)) return;
  expectOneSocket(options, context);
  const { maxBytes, period: periodMs } = options;
  if (maxBytes === 0)
    throw new UsageError("--max-bytes 0 would deliver nothing; give at least 1, or leave it out");
  const budget = new EntropyBudget({ maxBytes, periodMs });
  const limit =
    maxBytes === undefined ? "no limit" : `${formatSize(maxBytes)} every ${periodMs} ms`;
  await serveDevice(options, context, `rng, ${limit}`, () => new RngDevice({ budget }));
  endOnSignal(context);
}
