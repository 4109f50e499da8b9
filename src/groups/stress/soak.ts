import { StressChild } from "./child.ts";
import { ClientFleet } from "./client-fleet.ts";
import { expectAll, expectDescriptors, Fleet } from "./fleet.ts";
import { type Growth, growthOf, type Holdings } from "./growth.ts";
import { CLIENT_SHARE, REQUESTS_PER_PASS } from "./messages.ts";

/** Connections that leave without a word, in each round. */
const STORM = 64;
/** Connections that do not read, while others work. */
const CLOGGED = 4;

/** Somebody else's back-end. */
export interface SoakTarget {
  readonly path: string;
  /**
   * What its process holds, asked when every client has left; undefined: it cannot be seen.
   *
   * @param descriptors what it had in an earlier round: leaving is noticed, not told
   */
  figures(descriptors: number | undefined): Promise<Holdings | undefined>;
}

export interface SoakOptions {
  /** Default: the built-in back-end, in a process of its own. */
  readonly target?: SoakTarget | undefined;
  /** For the built-in one's socket. */
  readonly folder: string;
  /** At once; with one, nothing else is connected meanwhile, for back-ends that serve one at a time. */
  readonly clients: number;
  readonly durationMs: number;
  /** In place of the time. */
  readonly rounds?: number | undefined;
  readonly signal: AbortSignal;
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
  /** Of the back-end after the newest round. */
  readonly target: Holdings | undefined;
}

export interface SoakResult extends SoakProgress {
  /** Undefined: its process cannot be seen. */
  readonly growth: Growth | undefined;
  /** Of the first client process. */
  readonly clientGrowth: Growth;
}

/**
 * Rounds of everything that clients do to a block back-end, until the time is over: verified I/O by
 * many at once beside connections that do not read, a connection storm, clients that are killed in a
 * message and in I/O, verified I/O again. Writes to the first `diskBytes(clients)` bytes.
 *
 * @throws {Error} a request failed, data differed, or a client process died, and in which round; the
 *   signal's reason
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
    return await soak(fleet, async () => fleet.idleUsage(), options);
  } finally {
    for (const cleanUp of cleanUps.toReversed()) await cleanUp();
  }
}

async function soak(
  fleet: ClientFleet,
  figures: SoakTarget["figures"],
  { clients, durationMs, rounds, signal, onRound }: SoakOptions,
): Promise<SoakResult> {
  const start = performance.now();
  const history: Holdings[] = [];
  const clientHistory: Holdings[] = [];
  const slowReaders = clients > 1 ? CLOGGED : 1;
  let progress: SoakProgress;
  let round = 0;
  do {
    round += 1;
    try {
      await play(fleet, clients, round, signal);
    } catch (error) {
      signal.throwIfAborted();
      const message = error instanceof Error ? error.message : String(error);
      throw new Error(`round ${round}: ${message}`, { cause: error });
    }
    const held = await figures(history[0]?.descriptors);
    if (held !== undefined) history.push(held);
    clientHistory.push(await fleet.clientUsage());
    progress = {
      rounds: round,
      seconds: (performance.now() - start) / 1000,
      clients,
      sessions: round * clients,
      requests: round * clients * 2 * REQUESTS_PER_PASS,
      storms: round * STORM,
      slowReaders: round * slowReaders,
      kills: round * 2,
      target: held,
    };
    onRound(progress);
  } while (rounds === undefined ? performance.now() - start < durationMs : round < rounds);
  return {
    ...progress,
    growth: history.length === 0 ? undefined : growthOf(history),
    clientGrowth: growthOf(clientHistory),
  };
}

async function play(
  fleet: ClientFleet,
  clients: number,
  round: number,
  signal: AbortSignal,
): Promise<void> {
  // A back-end that serves one session at a time would serve nobody but the one that does not read.
  const alone = clients === 1;
  if (alone) {
    expectAll(await fleet.clog(1), 1, "connections that do not read");
    await fleet.release();
    await disturb(fleet, clients, round, signal);
  } else expectAll(await fleet.clog(CLOGGED), CLOGGED, "connections that do not read");
  expectAll(await fleet.open(), clients, "clients connected");
  expectAll(await fleet.io(2 * round), clients, "clients with verified I/O");
  if (!alone) await disturb(fleet, clients, round, signal);
  expectAll(await fleet.io(2 * round + 1), clients, "clients with verified I/O after the storm");
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
    inMessage?.tell("dieInMessage", { path, bytes: 1 + (round % 16) });
    await inMessage?.exited;
    inIo?.tell("dieInIo", { path, position: clients * CLIENT_SHARE });
    await inIo?.exited;
    signal.throwIfAborted();
  } finally {
    await Promise.all(victims.map(async (victim) => victim.stop()));
  }
}
