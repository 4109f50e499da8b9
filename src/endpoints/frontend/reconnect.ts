import {
  ConnectError,
  counted,
  delay,
  NegotiationError,
  PeerClosedError,
  SystemError,
  TimeoutError,
  type WaitOptions,
} from "../../core/base/index.ts";
import type { UnixSocket } from "../../core/os/index.ts";
import { protocolFeatureNames, virtioFeatureNames } from "../../core/protocol/index.ts";
import type { Negotiation } from "../../core/session/index.ts";
import type { Wishes } from "./bring-up.ts";

/** Handshake requests are answered within this time unless asked otherwise, milliseconds. */
export const DEFAULT_TIMEOUT_MS = 5000;

/**
 * Makes a connection to a back-end.
 *
 * @param wait how long it may take, and who may end it
 */
export type Dial = (wait: WaitOptions) => Promise<UnixSocket>;

/**
 * The rules for reconnecting to a back-end that went away. They also apply to the first connection
 * and its handshake: the back-end may start later than the client.
 */
export interface ReconnectOptions {
  /** Pause before the second attempt, milliseconds; it doubles with each. Default 5. */
  readonly delayMs?: number | undefined;
  /** Longest pause between attempts, milliseconds. Default 500. */
  readonly maxDelayMs?: number | undefined;
  /** Milliseconds that the back-end may be away before the session ends. Default 30,000. */
  readonly deadlineMs?: number | undefined;
  /** Milliseconds that the first connection and its handshake may take. Default: `deadlineMs`. */
  readonly firstDeadlineMs?: number | undefined;
  /** An attempt failed, and another one follows. */
  readonly onRetry?: ((reason: Error) => void) | undefined;
  /** The back-end is there again, and serves what it had not completed. */
  readonly onReconnect?: ((report: ReconnectReport) => void) | undefined;
}

/** The outstanding requests of a queue when the connection was lost. */
export interface ReplayedQueue {
  readonly index: number;
  /** Requests that had not completed: all of them complete later. */
  readonly outstanding: number;
  /** Number of requests that the back-end had recorded as in flight, and that are resubmitted. */
  readonly inFlight: number;
}

/** One reconnect. */
export interface ReconnectReport {
  /** Number of attempts. */
  readonly attempts: number;
  /** Milliseconds from the loss until the rings ran again. */
  readonly downMs: number;
  readonly queues: readonly ReplayedQueue[];
  /**
   * The side that resubmitted the requests: the back-end, from the in-flight region, or the client,
   * which made all of them available again.
   */
  readonly replayedBy: "back-end" | "client";
}

/** The limits of the wait for a first session. */
interface FirstConnection extends WaitOptions {
  readonly reconnect?: ReconnectOptions | undefined;
}

/**
 * Begins a session: in one attempt, or with `reconnect` in any number of attempts within the
 * deadline.
 *
 * @param begin negotiates on a connected socket, which it takes over, within the time that is left
 * @throws {TimeoutError} no back-end answered within the deadline
 * @throws errors of `begin` that are not temporary; the signal's reason
 */
export async function beginSession<T>(
  { reconnect, signal, timeoutMs = DEFAULT_TIMEOUT_MS }: FirstConnection,
  dial: Dial,
  begin: (socket: UnixSocket, leftMs: number) => Promise<T>,
): Promise<T> {
  if (reconnect === undefined) return begin(await dial({ signal, timeoutMs }), Infinity);
  const deadlineMs = reconnect.firstDeadlineMs ?? reconnect.deadlineMs;
  const { result } = await keepTrying(
    { ...reconnect, deadlineMs },
    signal,
    async (leftMs) => begin(await dial({ signal, timeoutMs: Math.min(timeoutMs, leftMs) }), leftMs),
    "no back-end answered",
  );
  return result;
}

/**
 * Repeats an attempt until it succeeds, the deadline passes, or it fails with an error that is not
 * temporary.
 *
 * @param what begins the message when the deadline passes
 * @returns the number of attempts, and the result of the last
 * @throws {TimeoutError} no back-end answered within the deadline
 * @throws errors of `attempt` that are not temporary; the signal's reason
 */
export async function keepTrying<T>(
  { delayMs = 5, maxDelayMs = 500, deadlineMs = 30_000, onRetry }: ReconnectOptions,
  signal: AbortSignal | undefined,
  attempt: (leftMs: number) => Promise<T>,
  what:
    "no back-end answered" | "the back-end did not reconnect" = "the back-end did not reconnect",
): Promise<{ readonly attempts: number; readonly result: T }> {
  const end = performance.now() + deadlineMs;
  let pauseMs = delayMs;
  for (let attempts = 1; ; attempts += 1) {
    try {
      const result = await attempt(Math.max(1, end - performance.now()));
      return { attempts, result };
    } catch (error) {
      signal?.throwIfAborted();
      if (!mayPass(error)) throw error;
      const leftMs = end - performance.now();
      if (leftMs <= 0) {
        throw new TimeoutError(
          `${what} within ${Math.round(deadlineMs)} ms (${counted(attempts, "attempt")}); ` +
            `the last one: ${error.message}`,
          { cause: error },
        );
      }
      onRetry?.(error);
      await delay(Math.min(pauseMs, leftMs), signal);
      pauseMs = Math.min(pauseMs * 2, maxDelayMs);
    }
  }
}

/** Returns whether an error is temporary: there is no back-end yet, or it was lost again. */
function mayPass(error: unknown): error is Error {
  return (
    error instanceof ConnectError ||
    error instanceof PeerClosedError ||
    error instanceof TimeoutError ||
    error instanceof SystemError
  );
}

/** Asks for exactly what was agreed on before. */
export function wishesOf({ features, protocolFeatures }: Negotiation, wishes: Wishes): Wishes {
  return {
    ...wishes,
    deviceFeatures: features,
    protocolFeatures,
    without: { virtio: ~features, protocol: ~protocolFeatures },
  };
}

/** @throws {NegotiationError} the back-end lacks a feature that the session uses */
export function expectSameFeatures(
  before: Negotiation,
  now: Negotiation,
  what: "reconnect" | "migration" = "reconnect",
): void {
  const missing = [
    ...virtioFeatureNames(before.features & ~now.features),
    ...protocolFeatureNames(before.protocolFeatures & ~now.protocolFeatures),
  ];
  if (missing.length === 0) return;
  throw new NegotiationError(
    `${what}: the back-end does not offer what the session uses: ${missing.join(", ")}; start it with these features`,
  );
}
