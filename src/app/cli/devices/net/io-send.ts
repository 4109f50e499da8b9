import { readFileSync } from "node:fs";
import { counted, UsageError } from "../../../../core/base/index.ts";
import {
  BROADCAST_MAC,
  NetDriver,
  parseMac,
  readPcap,
  sendFrames,
  testFrame,
} from "../../../../endpoints/devices/net/index.ts";
import type { Context } from "../../context.ts";
import { CommandError, ExitCode } from "../../exit-code.ts";
import { withUserFile } from "../../files.ts";
import { formatSize } from "../../units.ts";
import { untilAborted, withDriver, type NetOptions } from "./io-session.ts";

const DEFAULT_FRAME_BYTES = 64;

/** Milliseconds between two checks for a stalled device. */
const WATCH_MS = 50;

export interface SendOptions extends NetOptions {
  readonly ioTimeout: number;
  readonly in?: string | undefined;
  readonly count?: number | undefined;
  readonly frameSize?: number | undefined;
  readonly to?: string | undefined;
  readonly rate?: number | undefined;
}

export async function send(socket: string, options: SendOptions, context: Context): Promise<void> {
  const { frame, count, longest } = whatToSend(options);
  const { output } = context;
  await withDriver(socket, options, context, { longest }, async (driver, signal) => {
    const started = performance.now();
    const stalled = new AbortController();
    const stop = AbortSignal.any([signal, stalled.signal]);
    let last = started;
    const watch = setInterval(() => {
      if (outstanding(driver) === 0) last = performance.now();
      if (performance.now() - last > options.ioTimeout)
        stalled.abort(stalledError(driver, options.ioTimeout));
    }, WATCH_MS);
    const port = {
      queuePairs: driver.queuePairs,
      isReady: (): boolean => true,
      send(bytes: Uint8Array, pair: number): boolean {
        const isSent = driver.send(bytes, pair);
        if (isSent) last = performance.now();
        return isSent;
      },
    };
    try {
      await sendFrames(port, { frame, count, framesPerSecond: options.rate, signal: stop });
      stop.throwIfAborted();
      await untilAborted(driver.flushed(), stop);
    } finally {
      clearInterval(watch);
    }
    const seconds = (performance.now() - started) / 1000;
    const { txFrames: frames, txBytes: bytes } = driver.counters;
    if (options.json)
      output.json({ schemaVersion: 1, kind: "io-net-send", socket, frames, bytes, seconds });
    else {
      output.print(
        `${counted(frames, "frame")}, ${formatSize(bytes)} sent in ${seconds.toFixed(2)} s, ` +
          `${Math.round(frames / seconds)} frames/s`,
      );
    }
  });
}

/** Returns the number of frames that the device has not used. */
function outstanding(driver: NetDriver): number {
  let left = 0;
  for (let pair = 0; pair < driver.queuePairs; pair += 1) left += driver.outstanding(pair);
  return left;
}

function stalledError(driver: NetDriver, waitMs: number): CommandError {
  const left = outstanding(driver);
  return new CommandError(
    ExitCode.Failed,
    `the device took ${counted(driver.counters.txFrames - left, "frame")} and then none within ${waitMs} ms; ` +
      `${left} are left`,
  );
}

/** Frames of a file, or test frames. */
function whatToSend(options: SendOptions): {
  frame: (number: number) => Uint8Array;
  count: number;
  longest: number;
} {
  const { in: path, count = 1, frameSize = DEFAULT_FRAME_BYTES, to = BROADCAST_MAC } = options;
  if (path !== undefined) {
    const role = "a pcap file";
    const file = withUserFile(path, role, "name another", () => readFileSync(path));
    const frames = framesOf(path, file).filter(({ length }) => length > 0);
    const [first] = frames;
    if (first === undefined)
      throw new UsageError(`${path} has no frames to send; name another file`);
    const longest = frames.reduce((most, { length }) => Math.max(most, length), 0);
    const frame = (number: number): Uint8Array => frames[number % frames.length] ?? first;
    return { frame, count: count * frames.length, longest };
  }
  const [source, destination] = [parseMac(options.mac), parseMac(to)];
  const frame = (number: number): Uint8Array => testFrame(number, frameSize, source, destination);
  return { frame, count, longest: frameSize };
}

/** @throws {UsageError} naming the file */
function framesOf(path: string, bytes: Uint8Array): Uint8Array[] {
  try {
    return readPcap(bytes);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`${path}: ${error.message}`, { cause: error });
  }
}
