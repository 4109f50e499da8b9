import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import {
  counted,
  Deferred,
  delay,
  PeerClosedError,
  TimeoutError,
  UsageError,
  type WaitOptions,
} from "../../../../core/base/index.ts";
import {
  BROADCAST_MAC,
  describeFrame,
  LONG_HEADER_BYTES,
  NET_CONTROL_FEATURES,
  NET_DRIVER_FEATURES,
  NetDriver,
  netType,
  NetFeature,
  NetStation,
  parseAddress,
  parseMac,
  PcapWriter,
  readPcap,
  sendFrames,
  testFrame,
} from "../../../../endpoints/devices/net/index.ts";
import type { ClientOptions } from "../../../../endpoints/frontend/index.ts";
import type { RingMode } from "../../../../core/runtime/index.ts";
import { type CleanUpStep, withCleanUp } from "../../clean-up.ts";
import { connectClient, type ConnectOptions } from "../../connect-client.ts";
import type { Context } from "../../context.ts";
import { CommandError, ExitCode } from "../../exit-code.ts";
import { makeUserFile, withUserFile } from "../../files.ts";
import { formatSize } from "../../units.ts";

/** Buffers hold any frame of an Ethernet without jumbo frames. */
const BUFFER_BYTES = 2048;
const DEFAULT_FRAME_BYTES = 64;
/** How often a stalled device is looked for, milliseconds. */
const WATCH_MS = 50;

export interface NetOptions extends ConnectOptions {
  readonly mergeable: boolean;
  readonly queues: number;
  readonly queueSize: number;
  readonly ringMode: RingMode;
  readonly mac: string;
  readonly controlQueue?: true | undefined;
  readonly json?: true | undefined;
}

interface PcapOptions {
  readonly pcap?: string | undefined;
  readonly force?: true | undefined;
}

interface WaitingOptions extends NetOptions, PcapOptions {
  readonly ioTimeout: number;
}

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
      if (unfinished(driver) === 0) last = performance.now();
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
    if (options.json) output.json({ socket, frames, bytes, seconds });
    else {
      output.print(
        `${counted(frames, "frame")}, ${formatSize(bytes)} sent in ${seconds.toFixed(2)} s, ` +
          `${Math.round(frames / seconds)} frames/s`,
      );
    }
  });
}

export interface ReceiveOptions extends NetOptions, PcapOptions {
  readonly count?: number | undefined;
  readonly runtime?: number | undefined;
}

export async function receive(
  socket: string,
  options: ReceiveOptions,
  context: Context,
): Promise<void> {
  const { output } = context;
  const { count = Infinity, runtime: forMs } = options;
  let pcap: PcapWriter | undefined;
  const enough = new Deferred<void>({ signal: context.signal });
  enough.promise.catch(() => undefined);
  let frames = 0;
  let bytes = 0;
  const onConnected = (): void => void (pcap = openPcap(options));
  const onFrame = (frame: Uint8Array): void => {
    if (frames === count) return;
    frames += 1;
    bytes += frame.length;
    pcap?.write(frame);
    if (!options.json) output.print(describeFrame(frame));
    if (frames === count) enough.resolve();
  };
  await withCleanUp(context, [closing(options, () => pcap)], async () =>
    withDriver(socket, options, context, { onConnected, onFrame }, async (driver, signal) => {
      const timer = forMs === undefined ? undefined : setTimeout(() => enough.resolve(), forMs);
      try {
        await untilAborted(enough.promise, signal);
      } finally {
        clearTimeout(timer);
        if (options.json) output.json({ socket, frames, bytes, counters: driver.counters });
        else output.note(`${counted(frames, "frame")}, ${formatSize(bytes)}`);
      }
    }),
  );
}

export interface PingOptions extends WaitingOptions {
  readonly source: string;
  readonly count: number;
  readonly interval: number;
  readonly dataSize: number;
}

export async function ping(
  socket: string,
  address: string,
  options: PingOptions,
  context: Context,
): Promise<void> {
  const { output } = context;
  const { source, count, interval, dataSize: size, json } = options;
  parseAddress(address);
  parseAddress(source);
  const times: number[] = [];
  await withStation(socket, options, context, async (station, wait) => {
    const mac = await station.resolve(source, address, wait);
    const target = { address, mac };
    if (!json) output.print(`${address} is at ${mac}`);
    const id = randomInt(0x10000);
    const data = Uint8Array.from({ length: size }, (_, i) => i & 0xff);
    for (let sequence = 1; sequence <= count; sequence += 1) {
      if (sequence > 1) await delay(interval, wait.signal);
      try {
        const ms = await station.echo(source, target, { id, sequence, data }, wait);
        times.push(ms);
        if (!json)
          output.print(
            `${counted(size + 8, "byte")} from ${address}: seq=${sequence} time=${ms.toFixed(3)} ms`,
          );
      } catch (error) {
        if (!(error instanceof TimeoutError)) throw error;
        if (!json) output.print(error.message);
      }
    }
    const rtt = statistics(times);
    if (json)
      output.json({ socket, address, mac, sent: count, received: times.length, rttMs: rtt });
    else {
      const lost = Math.round((1 - times.length / count) * 100);
      output.print(`${count} sent, ${times.length} received, ${lost} % lost`);
      if (rtt !== undefined) {
        const numbers = [rtt.min, rtt.avg, rtt.max, rtt.mdev].map((ms) => ms.toFixed(3)).join("/");
        output.print(`rtt min/avg/max/mdev = ${numbers} ms`);
      }
    }
  });
  if (times.length === 0)
    throw new CommandError(
      ExitCode.Failed,
      `none of ${counted(count, "echo", "echoes")} came back`,
    );
}

export async function dhcp(
  socket: string,
  options: WaitingOptions,
  context: Context,
): Promise<void> {
  const { output } = context;
  await withStation(socket, options, context, async (station, wait) => {
    const lease = await station.lease(randomInt(2 ** 31), wait, (message) =>
      output.note(`${message.type === 2 ? "OFFER" : "ACK"} ${message.yourAddress}`),
    );
    if (options.json) {
      output.json({ socket, mac: station.mac, ...lease });
      return;
    }
    output.print(`address  ${lease.address}`);
    if (lease.mask !== undefined) output.print(`mask     ${lease.mask}`);
    if (lease.router !== undefined) output.print(`router   ${lease.router}`);
    output.print(`server   ${lease.server}`);
    if (lease.seconds !== undefined) output.print(`lease    ${lease.seconds} s`);
  });
}

/** Frames that the device has not given back. */
function unfinished(driver: NetDriver): number {
  let left = 0;
  for (let pair = 0; pair < driver.queuePairs; pair += 1) left += driver.outstanding(pair);
  return left;
}

function stalledError(driver: NetDriver, waitMs: number): CommandError {
  const left = unfinished(driver);
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
    const expected = "a pcap file to read";
    const file = withUserFile(path, expected, "name another", () => readFileSync(path));
    const frames = framesOf(path, file).filter(({ length }) => length > 0);
    const [first] = frames;
    if (first === undefined) throw new UsageError(`${path}: expected a file with frames, got none`);
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

function statistics(times: readonly number[]) {
  if (times.length === 0) return undefined;
  const avg = times.reduce((sum, ms) => sum + ms, 0) / times.length;
  const variance = times.reduce((sum, ms) => sum + (ms - avg) ** 2, 0) / times.length;
  return { min: Math.min(...times), avg, max: Math.max(...times), mdev: Math.sqrt(variance) };
}

function openPcap({ pcap, force }: PcapOptions): PcapWriter | undefined {
  if (pcap === undefined) return undefined;
  return makeUserFile(pcap, force === true, (flag) =>
    PcapWriter.create(pcap, { force: flag === "w" }),
  );
}

/** A station of our own behind the driver; what passes is kept if that is wanted. */
async function withStation(
  socket: string,
  options: WaitingOptions,
  context: Context,
  use: (station: NetStation, wait: WaitOptions) => Promise<void>,
): Promise<void> {
  let transmit: (frame: Uint8Array) => void = () => undefined;
  const station = new NetStation(options.mac, (frame) => transmit(frame));
  let pcap: PcapWriter | undefined;
  const show = (mark: string, frame: Uint8Array): void => {
    pcap?.write(frame);
    if (options.verbose) context.output.trace(`${mark} ${describeFrame(frame)}`);
  };
  const onConnected = (): void => void (pcap = openPcap(options));
  const onFrame = (frame: Uint8Array): void => {
    show("<", frame);
    station.receive(frame);
  };
  await withCleanUp(context, [closing(options, () => pcap)], async () =>
    withDriver(socket, options, context, { onConnected, onFrame }, async (driver, signal) => {
      transmit = (frame) => {
        show(">", frame);
        driver.send(frame);
      };
      await use(station, { timeoutMs: options.ioTimeout, signal });
    }),
  );
}

function closing({ pcap: path }: PcapOptions, made: () => PcapWriter | undefined): CleanUpStep {
  return { what: `write all frames to ${path}`, run: async () => made()?.close() };
}

interface DriverUse {
  /** Bytes of the longest frame. */
  readonly longest?: number;
  /** Called when the session is open and no frame has arrived yet. */
  readonly onConnected?: () => void;
  readonly onFrame?: (frame: Uint8Array) => void;
}

/** @param use its signal aborts when the command is interrupted, and when the driver fails */
async function withDriver(
  socket: string,
  options: NetOptions,
  context: Context,
  { longest = 0, onConnected, onFrame }: DriverUse,
  use: (driver: NetDriver, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const { queues: queuePairs, queueSize, ringMode } = options;
  const bufferBytes = Math.max(BUFFER_BYTES, longest + LONG_HEADER_BYTES);
  const more: ClientOptions = {
    deviceFeatures: NET_DRIVER_FEATURES | (options.controlQueue ? NET_CONTROL_FEATURES : 0n),
    // Buffers of both rings of each pair, and the rings with their tables.
    memory: { size: (1 << 20) + 2 * queuePairs * queueSize * (bufferBytes + 64 + 256) },
    without: options.mergeable ? {} : { virtio: NetFeature.MrgRxbuf },
  };
  const client = await connectClient(socket, options, context, netType, more);
  const failed = new AbortController();
  const signal = AbortSignal.any([context.signal, failed.signal]);
  try {
    onConnected?.();
    const driver = await NetDriver.start(client, {
      queuePairs,
      queueSize,
      bufferBytes,
      ringMode,
      control: options.controlQueue,
      onFrame,
      onFailed: (error) => failed.abort(error),
    });
    await driver.control?.setMac(options.mac);
    await use(driver, signal);
  } catch (error) {
    // The handshake is over: what is lost now is a failed request and not an unreachable target.
    if (error instanceof TimeoutError || error instanceof PeerClosedError) {
      throw new CommandError(ExitCode.Failed, error.message, { cause: error });
    }
    throw error;
  } finally {
    await client.close();
  }
}

/** Waits for a promise that does not know of the signal. @throws the signal's reason */
async function untilAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const wait = new Deferred<void>({ signal });
  promise.then(
    () => wait.resolve(),
    (error: unknown) => wait.reject(error),
  );
  await wait.promise;
}
