import type { DeviceKind } from "../../endpoints/devices/kind.ts";
import { Deferred, type WaitOptions } from "../../core/base/index.ts";
import { HeaderFlag } from "../../core/protocol/index.ts";
import type { Strictness } from "../../core/session/index.ts";
import {
  type Channel,
  connectSocket,
  describePeer,
  type FrameObserver,
  UnixChannel,
} from "../../core/transport/index.ts";
import { Interceptor } from "../wire/index.ts";
import type { ProbeResult } from "./result.ts";

const DEFAULT_TIMEOUT_MS = 5000;

export interface ProbeOptions extends WaitOptions {
  /** The device type. Default: inferred from the offer. */
  readonly device?: DeviceKind | undefined;
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
  readonly channel: Channel;
  /** Resolves with the first message, or when there will be none. */
  readonly first: Promise<void>;
  /** Returns whether the peer has sent a request, and so is a front-end. */
  readonly sawRequest: () => boolean;
  /** Process id of the program that listens. */
  readonly pid: number;
  /** Describes the process that listens. */
  readonly peer: string;
  readonly connectUs: number;
  /** Time of the connection, on the clock of `performance.now()`. */
  readonly since: number;
  /** Time-out of one reply, milliseconds. */
  readonly timeoutMs: number;
}

/**
 * Connects to the peer.
 *
 * @throws {ConnectError | UsageError | EnvironmentError | TimeoutError}
 */
export async function openConnection(path: string, options: ProbeOptions): Promise<Connection> {
  const { signal, timeoutMs = DEFAULT_TIMEOUT_MS, observe } = options;
  const start = performance.now();
  const socket = await connectSocket(path, { signal, timeoutMs });
  const connectUs = microsecondsSince(start);
  try {
    const { pid } = socket.peer;
    const peer = describePeer(socket);
    const first = new Deferred<void>();
    let sawRequest = false;
    // The first message may come before the roles are known: it is read and kept until then.
    const channel = new Interceptor(new UnixChannel(socket, { observe }), {
      readAhead: true,
      received: (frame) => {
        sawRequest ||= (frame.header.flags & HeaderFlag.Reply) === 0;
        first.resolve();
        return frame;
      },
    });
    void channel.closed.then(() => first.resolve());
    return {
      path,
      channel,
      first: first.promise,
      sawRequest: () => sawRequest,
      pid,
      peer,
      connectUs,
      since: performance.now(),
      timeoutMs,
    };
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
