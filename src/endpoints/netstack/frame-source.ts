import { setImmediate } from "node:timers/promises";
import { delay, UsageError } from "../../core/base/index.ts";
import { putU16 } from "./build-frame.ts";
import { ETHERNET_HEADER_BYTES } from "./ethernet.ts";

/** Frames in one turn of the event loop. */
const BATCH = 64;
/** Milliseconds between two looks at a port that is not ready. */
const PAUSE_MS = 1;
/** Ethernet type for experiments on one's own network, IEEE 802. */
const EXPERIMENT = 0x88b5;
const NUMBER_OFFSET = ETHERNET_HEADER_BYTES;
/** Shortest test frame: addresses, type, number. */
export const MIN_TEST_FRAME_BYTES: number = NUMBER_OFFSET + 4;

/** The destination of a source. */
export interface SourcePort {
  readonly queuePairs: number;
  /** Returns whether {@link send} would take a frame; a source waits until then. */
  isReady(pair: number): boolean;
  send(frame: Uint8Array, pair: number): boolean;
}

export interface FrameSourceOptions {
  /** The frame of a number, counted from 0. It is only borrowed. */
  readonly frame: (number: number) => Uint8Array;
  /** Frames in all. Default: no end. */
  readonly count?: number | undefined;
  /** Default: as fast as they are taken. */
  readonly framesPerSecond?: number | undefined;
  /** Ends it early. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Sends frames, pairs taking turns, until there were enough. One that comes too late because the
 * port was not ready is not made up for: there are no bursts above the rate.
 *
 * @returns how many frames were sent
 */
export async function sendFrames(port: SourcePort, options: FrameSourceOptions): Promise<number> {
  const { frame, count = Infinity, framesPerSecond, signal } = options;
  const gapMs = framesPerSecond === undefined ? 0 : 1000 / framesPerSecond;
  let due = performance.now();
  let sent = 0;
  while (sent < count && !signal?.aborted) {
    const now = performance.now();
    const pair = sent % port.queuePairs;
    if (gapMs > 0 && due > now) {
      await delay(Math.max(PAUSE_MS, due - now), signal).catch(() => undefined);
      continue;
    }
    if (!port.isReady(pair) || !port.send(frame(sent), pair)) {
      await delay(PAUSE_MS, signal).catch(() => undefined);
      due = Math.max(due, performance.now());
      continue;
    }
    sent += 1;
    // Frames that a coarse timer delayed are sent at once, for up to 20 ms.
    due = Math.max(due + gapMs, now - 20);
    if (sent % BATCH === 0) await setImmediate();
  }
  return sent;
}

/**
 * A frame for experiments: it carries its number, and bytes that follow from it.
 *
 * @param bytes length, from {@link MIN_TEST_FRAME_BYTES} on
 * @throws {UsageError} too short
 */
export function testFrame(
  number: number,
  bytes: number,
  source: Uint8Array,
  destination: Uint8Array,
): Uint8Array {
  if (bytes < MIN_TEST_FRAME_BYTES)
    throw new UsageError(
      `a test frame must have at least ${MIN_TEST_FRAME_BYTES} bytes, not ${bytes}`,
    );
  const frame = new Uint8Array(bytes).fill(number & 0xff);
  frame.set(destination, 0);
  frame.set(source, 6);
  putU16(frame, 12, EXPERIMENT);
  putU16(frame, NUMBER_OFFSET, (number >>> 16) & 0xffff);
  putU16(frame, NUMBER_OFFSET + 2, number & 0xffff);
  return frame;
}
