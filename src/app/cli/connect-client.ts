import { counted, delay, PeerClosedError, TimeoutError } from "../../core/base/index.ts";
import {
  Client,
  type ClientOptions,
  type ReconnectOptions,
  type ReconnectReport,
} from "../../endpoints/frontend/index.ts";
import type { DeviceType } from "../../core/protocol/index.ts";
import { expectDevice } from "../../lab/probe/expect-device.ts";
import { type CommonOptions, type Context, messagePrinter } from "./context.ts";

/** Options of everything that talks to a back-end. */
export interface ConnectOptions extends CommonOptions {
  readonly listen?: true | undefined;
  readonly packed?: true | undefined;
  readonly inOrder?: true | undefined;
  readonly reconnect?: true | undefined;
  /** Milliseconds that the back-end may be away; it implies `reconnect`. */
  readonly reconnectFor?: number | undefined;
  readonly iommu?: true | undefined;
  readonly strict?: true | undefined;
  /** Time-out of an answer, milliseconds. */
  readonly timeout: number;
}

/** Default milliseconds that a back-end may be away; `--reconnect-for` sets another limit. */
const RECONNECT_MS = 30_000;
/** Pause after a session that ended before its driver was up, milliseconds. */
const RETRY_MS = 100;

/** The target on which a driver is started. */
export interface DriverTarget {
  readonly socket: string;
  readonly options: ConnectOptions;
  readonly context: Context;
  readonly device: DeviceType;
  readonly more?: ClientOptions | undefined;
}

/**
 * Opens a session and brings a driver up on it. With `--reconnect` all of that is tried again until
 * the deadline: for a user the handshake is over once the driver is up.
 *
 * @throws {ConnectError | NegotiationError | TimeoutError | PeerClosedError}; the session is then closed
 */
export async function openDriver<D>(
  { socket, options, context, device, more = {} }: DriverTarget,
  start: (client: Client) => Promise<D>,
): Promise<{ readonly client: Client; readonly driver: D }> {
  const { reconnect, reconnectFor = RECONNECT_MS } = options;
  const isTriedAgain = reconnect === true || options.reconnectFor !== undefined;
  const end = performance.now() + reconnectFor;
  for (;;) {
    const leftMs = Math.max(1, end - performance.now());
    const client = await connectClient(socket, options, context, device, more, leftMs);
    try {
      return { client, driver: await start(client) };
    } catch (error) {
      await client.close();
      const isLoss = error instanceof TimeoutError || error instanceof PeerClosedError;
      const isLate = performance.now() + RETRY_MS >= end;
      if (!isTriedAgain || !isLoss || isLate || context.signal.aborted) throw error;
      await delay(RETRY_MS, context.signal);
    }
  }
}

/**
 * Opens the session that a command's options ask for.
 *
 * @throws {NegotiationError} the back-end serves another device type
 * @throws {ConnectError | TimeoutError | PeerClosedError | ProtocolError}
 */
export async function connectClient(
  socket: string,
  options: ConnectOptions,
  context: Context,
  device: DeviceType,
  more: ClientOptions,
  firstDeadlineMs?: number,
): Promise<Client> {
  const clientOptions: ClientOptions = {
    ...more,
    timeoutMs: options.timeout,
    strictness: options.strict ? "strict" : "lenient",
    packed: options.packed === true,
    inOrder: options.inOrder === true,
    iommu: options.iommu,
    signal: context.signal,
    observe: await messagePrinter(context, options, device),
    reconnect: reconnectOptions(options, context, socket, firstDeadlineMs),
  };
  const client = await (options.listen
    ? Client.accept(socket, clientOptions)
    : Client.connect(socket, clientOptions));
  try {
    await expectDevice(client, device);
  } catch (error) {
    await client.close();
    throw error;
  }
  return client;
}

function reconnectOptions(
  { reconnect, reconnectFor }: ConnectOptions,
  { output }: Context,
  socket: string,
  firstDeadlineMs: number | undefined,
): ReconnectOptions | undefined {
  if (reconnect !== true && reconnectFor === undefined) return undefined;
  const deadlineMs = reconnectFor ?? RECONNECT_MS;
  let isWaiting = false;
  return {
    deadlineMs,
    firstDeadlineMs,
    onRetry: ({ message }) => {
      if (!isWaiting) output.note(`waiting for a back-end on ${socket}: ${message}`);
      isWaiting = true;
    },
    onReconnect: (report) => {
      isWaiting = false;
      output.note(describeReconnect(report));
    },
  };
}

function describeReconnect({ attempts, downMs, queues, replayedBy }: ReconnectReport): string {
  const sum = (of: "outstanding" | "inFlight"): number =>
    queues.reduce((all, queue) => all + queue[of], 0);
  return (
    `reconnected to the back-end after ${Math.round(downMs)} ms (attempt ${attempts}): ${counted(sum("outstanding"), "request")} ` +
    `outstanding, ${sum("inFlight")} resubmitted as the ${replayedBy} tracked them`
  );
}
