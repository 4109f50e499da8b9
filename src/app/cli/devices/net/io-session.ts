import { Deferred, PeerClosedError, TimeoutError } from "../../../../core/base/index.ts";
import {
  LONG_HEADER_BYTES,
  NET_CONTROL_FEATURES,
  NET_DRIVER_FEATURES,
  NetDriver,
  netType,
  NetFeature,
  PcapWriter,
} from "../../../../endpoints/devices/net/index.ts";
import type { ClientOptions } from "../../../../endpoints/frontend/index.ts";
import type { RingMode } from "../../../../core/runtime/index.ts";
import type { CleanUpStep } from "../../clean-up.ts";
import { connectClient, type ConnectOptions } from "../../connect-client.ts";
import type { Context } from "../../context.ts";
import { CommandError, ExitCode } from "../../exit-code.ts";
import { makeUserFile } from "../../files.ts";

/** Buffers hold any frame of an Ethernet without jumbo frames. */
const BUFFER_BYTES = 2048;

export interface NetOptions extends ConnectOptions {
  readonly mergeable: boolean;
  readonly queues: number;
  readonly queueSize: number;
  readonly ringMode: RingMode;
  readonly mac: string;
  readonly controlQueue?: true | undefined;
  readonly json?: true | undefined;
}

export interface PcapOptions {
  readonly pcap?: string | undefined;
  readonly force?: true | undefined;
}

export interface WaitingOptions extends NetOptions, PcapOptions {
  readonly ioTimeout: number;
}

interface DriverUse {
  /** Bytes of the longest frame. */
  readonly longest?: number;
  /** Called when the session is open and no frame has arrived yet. */
  readonly onConnected?: () => void;
  readonly onFrame?: (frame: Uint8Array) => void;
}

/** @param use its signal aborts when the command is interrupted, and when the driver fails */
export async function withDriver(
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

export function openPcap({ pcap, force }: PcapOptions): PcapWriter | undefined {
  if (pcap === undefined) return undefined;
  return makeUserFile(pcap, force === true, (flag) =>
    PcapWriter.create(pcap, { force: flag === "w" }),
  );
}

export function closing(
  { pcap: path }: PcapOptions,
  made: () => PcapWriter | undefined,
): CleanUpStep {
  return { what: `write all frames to ${path}`, run: async () => made()?.close() };
}

/**
 * Waits for a promise that does not know of the signal.
 *
 * @throws the signal's reason
 */
export async function untilAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  const wait = new Deferred<void>({ signal });
  promise.then(
    () => wait.resolve(),
    (error: unknown) => wait.reject(error),
  );
  await wait.promise;
}
