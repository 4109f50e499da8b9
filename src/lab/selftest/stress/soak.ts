import { asError } from "../../../core/base/index.ts";
import { StressChild } from "./child.ts";
import { ClientFleet } from "./client-fleet.ts";
import { expectAll, expectDescriptors, Fleet } from "./fleet.ts";
import { type Growth, growthOf, type Holdings } from "./growth.ts";
import { CLIENT_SHARE, REQUESTS_PER_PASS } from "./messages.ts";

/** Connections that leave without a word, in each round. */
const STORM = 64;
/** Connections that do not read while the rest work. */
const CLOGGED = 4;

/** A back-end that another process runs. */
export interface SoakTarget {
  readonly path: string;
  /**
   * Returns the resources of the back-end's process after every client has left; undefined if they
   * cannot be seen.
   *
   * @param descriptors its count in an earlier round: the end of a session is observed, not
   *   reported
   */
  figures(descriptors: number | undefined): Promise<Holdings | undefined>;
}

export interface SoakOptions {
  /** The target. Default: the built-in back-end, in a process of its own. */
  readonly target?: SoakTarget | undefined;
  /** The folder for the socket of the built-in back-end. */
  readonly folder: string;
  /**
   * Number of simultaneous clients; with 1 nothing else connects meanwhile, for back-ends that
   * serve one session at a time.
   */
  readonly clients: number;
  readonly durationMs: number;
  /** A number of rounds, instead of a time. */
  readonly rounds?: number | undefined;
  readonly signal: AbortSignal;
  /** Milliseconds that one request may take. */
  readonly stallMs?: number | undefined;
  /** The next part of a round begins. */
  readonly onPhase?: ((round: number, what: string) => void) | undefined;
  readonly onRound: (progress: SoakProgress) => void;
}

/** So far. */
export interface SoakProgress {
  readonly rounds: number;
  readonly seconds: number;
  readonly clients: number;
  /** Sessions that did verified I/O. */
  readonly sessions: number;
  /** Verified ones. */
  readonly requests: number;
  /** Connections that left without a word. */
  readonly storms: number;
  /** Connections that did not read. */
  readonly slowReaders: number;
  /** Clients that were killed, in a message or in I/O. */
  readonly kills: number;
  /** The resources of the back-end after the newest round. */
  readonly target: Holdings | undefined;
}

export interface SoakResult extends SoakProgress {
  /** The growth of the back-end; undefined if its process cannot be seen. */
  readonly growth: Growth | undefined;
  /** The growth of the first client process. */
  readonly clientGrowth: Growth;
  /**
   * The reason why the run ended early, in a round that does not count; undefined if it did not.
   */
  readonly failure: unknown;
}

/**
 * Rounds of everything that clients do to a block back-end, until the time is over: verified I/O by
 * many at once beside connections that do not read, a connection storm, clients that are killed in a
 * message and in I/O, verified I/O again. Writes to the first `diskBytes(clients)` bytes. It ends
 * early, with a `failure`, when a request fails, data differs, a client process dies, or the signal
 * aborts.
 */
export async function runSoak(options: SoakOptions): Promise<SoakResult> {
  const { target, clients, signal, folder } = options;
  expectDescriptors(clients);
  const cleanUps: (() => unknown)[] = [];
  const host = { signal, folder, defer: (cleanUp: () => unknown) => cleanUps.push(cleanUp) };
  try {
    if (target !== undefined) {
      const fleet = new ClientFleet(host, target.path, clients, true);
      return await soak(fleet, async (before) => target.figures(before), options);
    }
    const fleet = await Fleet.start(host, clients, true);
    return await soak(fleet, async () => holdingsOf(await fleet.idleUsage()), options);
  } catch (error) {
    if (!signal.aborted) throw error;
    // Interrupted while the processes start.
    const progress = progressOf(0, clients, performance.now(), undefined);
    const clientGrowth = growthOf([]);
    return { ...progress, growth: undefined, clientGrowth, failure: signal.reason };
  } finally {
    for (const cleanUp of cleanUps.toReversed()) await cleanUp();
  }
}

async function soak(
  fleet: ClientFleet,
  figures: SoakTarget["figures"],
  options: SoakOptions,
): Promise<SoakResult> {
  const { clients, durationMs, rounds, signal, onRound } = options;
  const start = performance.now();
  const history: Holdings[] = [];
  const clientHistory: Holdings[] = [];
  let progress = progressOf(0, clients, start, undefined);
  let failure: unknown;
  let round = 0;
  do {
    round += 1;
    try {
      await play(fleet, round, options);
      const held = await figures(history[0]?.descriptors);
      if (held !== undefined) history.push(held);
      clientHistory.push(holdingsOf(await fleet.clientUsage()));
      progress = progressOf(round, clients, start, held);
    } catch (error) {
      const message = asError(error).message;
      failure = signal.aborted
        ? signal.reason
        : new Error(`round ${round}: ${message}`, { cause: error });
      break;
    }
    onRound(progress);
  } while (rounds === undefined ? performance.now() - start < durationMs : round < rounds);
  return {
    ...progress,
    seconds: (performance.now() - start) / 1000,
    growth: history.length === 0 ? undefined : growthOf(history),
    clientGrowth: growthOf(clientHistory),
    failure,
  };
}

/** Returns the figures that are compared between rounds, without the number of sessions. */
function holdingsOf({ descriptors, mappings, residentBytes }: Holdings): Holdings {
  return { descriptors, mappings, residentBytes };
}

function progressOf(
  rounds: number,
  clients: number,
  start: number,
  target: Holdings | undefined,
): SoakProgress {
  return {
    rounds,
    seconds: (performance.now() - start) / 1000,
    clients,
    sessions: rounds * clients,
    requests: rounds * clients * 2 * REQUESTS_PER_PASS,
    storms: rounds * STORM,
    slowReaders: rounds * (clients > 1 ? CLOGGED : 1),
    kills: rounds * 2,
    target,
  };
}

async function play(
  fleet: ClientFleet,
  round: number,
  { clients, signal, stallMs, onPhase }: SoakOptions,
): Promise<void> {
  const phase = (what: string): void => onPhase?.(round, what);
  phase("connections that do not read");
  // A back-end that serves one session at a time would serve only the one that does not read.
  const alone = clients === 1;
  if (alone) {
    expectAll(await fleet.clog(1), 1, "connections that do not read");
    await fleet.release();
    phase("a connection storm, and clients that are killed");
    await disturb(fleet, clients, round, signal);
  } else expectAll(await fleet.clog(CLOGGED), CLOGGED, "connections that do not read");
  phase("clients connect");
  expectAll(await fleet.open(), clients, "clients connected");
  phase("verified I/O");
  expectAll(await fleet.io(2 * round, stallMs), clients, "clients with verified I/O");
  if (!alone) {
    phase("a connection storm, and clients that are killed");
    await disturb(fleet, clients, round, signal);
  }
  phase("verified I/O after the storm");
  const again = await fleet.io(2 * round + 1, stallMs);
  expectAll(again, clients, "clients with verified I/O after the storm");
  phase("clients leave");
  expectAll(await fleet.close(), clients, "clients closed");
  await fleet.release();
}

/** A storm, and clients that are killed, in different places of a message from round to round. */
async function disturb(
  fleet: ClientFleet,
  clients: number,
  round: number,
  signal: AbortSignal,
): Promise<void> {
  expectAll(await fleet.storm(STORM), STORM, "connections");
  const { path } = fleet;
  const victims = [new StressChild("client-process.js"), new StressChild("client-process.js")];
  const [inMessage, inIo] = victims;
  try {
    inMessage?.send("dieInMessage", { path, bytes: 1 + (round % 16) });
    await inMessage?.exited;
    inIo?.send("dieInIo", { path, position: clients * CLIENT_SHARE });
    await inIo?.exited;
    signal.throwIfAborted();
  } finally {
    await Promise.all(victims.map(async (victim) => victim.stop()));
  }
}
