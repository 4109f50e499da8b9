import type { WaitOptions } from "../../core/base/index.ts";
import type { DeviceName } from "../../core/protocol/index.ts";
import type { Strictness } from "../../core/session/index.ts";
import {
  connectSocket,
  describePeer,
  type FrameObserver,
  UnixChannel,
} from "../../core/transport/index.ts";
import { PeekChannel } from "./peek-channel.ts";
import type { ProbeResult } from "./result.ts";

const DEFAULT_TIMEOUT_MS = 5000;

export interface ProbeOptions extends WaitOptions {
  /** The device type, where nothing tells it. */
  readonly device?: DeviceName | undefined;
  readonly strictness?: Strictness | undefined;
  readonly observe?: FrameObserver | undefined;
}

/** A probe's result, and who it was about. */
export interface Probe extends ProbeResult {
  /** Name of the program that listens, where it can be seen. */
  readonly program: string | undefined;
}

/** A connection to the socket that is probed. */
export interface Connection {
  readonly path: string;
  readonly channel: PeekChannel;
  /** Of who listens. */
  readonly pid: number;
  /** Who listens, in words. */
  readonly peer: string;
  readonly connectUs: number;
  /** When it was made, on the clock of `performance.now()`. */
  readonly since: number;
  /** For one answer. */
  readonly timeoutMs: number;
}

/** @throws as `connectSocket` */
export async function openConnection(path: string, options: ProbeOptions): Promise<Connection> {
  const { signal, timeoutMs = DEFAULT_TIMEOUT_MS, observe } = options;
  const start = performance.now();
  const socket = await connectSocket(path, { signal, timeoutMs });
  const connectUs = microsecondsSince(start);
  try {
    const { pid } = socket.peer;
    const peer = describePeer(socket);
    const channel = new PeekChannel(new UnixChannel(socket, { observe }));
    return { path, channel, pid, peer, connectUs, since: performance.now(), timeoutMs };
  } catch (error) {
    socket.close();
    throw error;
  }
}

export function microsecondsSince(start: number): number {
  return Math.round((performance.now() - start) * 1000);
}

/** A feature word as the result has it. */
export function mask(bits: bigint): string {
  return `0x${bits.toString(16)}`;
}
