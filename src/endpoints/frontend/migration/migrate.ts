import { setImmediate } from "node:timers/promises";
import { asError } from "../../../core/base/index.ts";
import type { GuestMemory } from "../../../core/memory/index.ts";
import { ProtocolFeature } from "../../../core/protocol/index.ts";
import { confirmStart, haltRing, startRing, stopRing, type Wishes } from "../bring-up.ts";
import type { Connection } from "../connection.ts";
import { shareMemory } from "../memory-sharing.ts";
import type { ClientQueue } from "../queue.ts";
import { expectSameFeatures, wishesOf } from "../reconnect.ts";
import type { FrontendRequests } from "../requests.ts";
import { loadDeviceState, saveDeviceState } from "./device-state.ts";
import { MemoryCopy, restoreMemory } from "./memory-copy.ts";
import { SourceLog } from "./source-log.ts";

/** One round over the memory. */
export interface MigrationRound {
  /** Pages of 4 KiB that were copied. */
  readonly pages: number;
  /** Number of pages that the back-end had marked. */
  readonly byDevice: number;
}

/** The result of a migration. */
export interface MigrationReport {
  /** The first one copies everything, the last one while no ring runs. */
  readonly rounds: readonly MigrationRound[];
  /**
   * Milliseconds from the stop of the first ring on the source to the start of the last ring at the
   * destination.
   */
  readonly downMs: number;
  /** Bytes of the device's own state; undefined if the back-ends do not transfer it. */
  readonly stateBytes: number | undefined;
  /**
   * Numbers of the pages that changed and that the source did not mark: it does not log all its
   * writes. The client compares pages only with {@link MigrationOptions.compare}.
   */
  readonly missedPages: readonly number[] | undefined;
}

export interface MigrationOptions {
  /** Rounds before the rings are stopped, however many pages are left. Default 8. */
  readonly maxRounds?: number | undefined;
  /** So few pages left, and the rings are stopped. Default 64. */
  readonly stopAtPages?: number | undefined;
  /** Aborts the migration; the session continues with the source. */
  readonly signal?: AbortSignal | undefined;
  /** Compares all memory before the destination continues. Default false. */
  readonly compare?: boolean | undefined;
}

/** A session that moves. */
export interface MovingSession {
  readonly wishes: Wishes;
  readonly memory: GuestMemory;
  /** The queues that run. */
  readonly queues: readonly ClientQueue[];
  /** Called before a ring starts on a back-end. */
  readonly prepare: (requests: FrontendRequests, queue: ClientQueue) => Promise<void>;
  /** The destination is the session's back-end from now on. */
  readonly moved: () => void;
}

/**
 * Moves a session from one back-end to another that serves the same storage or network
 * (specification: "Migration", "Migrating back-end state"). It copies memory while the rings run,
 * copies again the pages that were written meanwhile, stops the rings and starts them at the
 * destination from the same positions. Outstanding requests complete there.
 *
 * After a failure the rings run on the source again.
 *
 * @throws {NegotiationError} the source cannot log its writes
 * @throws {RemoteError} a back-end failed to save or load its state
 * @throws {PeerClosedError | TimeoutError | ProtocolError}; the signal's reason
 */
export async function migrate(
  source: Connection,
  destination: Connection,
  session: MovingSession,
  options: MigrationOptions = {},
): Promise<MigrationReport> {
  const [from, to] = [source.requests, destination.requests];
  try {
    await destination.negotiate(wishesOf(from.negotiation, session.wishes));
    expectSameFeatures(from.negotiation, to.negotiation, "migration");
    const report = await move(from, to, session, options);
    session.moved();
    for (const queue of session.queues) {
      queue.start();
      queue.notify();
    }
    source.close();
    return report;
  } catch (error) {
    destination.close();
    throw error;
  }
}

async function move(
  source: FrontendRequests,
  destination: FrontendRequests,
  session: MovingSession,
  options: MigrationOptions,
): Promise<MigrationReport> {
  const { queues, memory } = session;
  const copy = new MemoryCopy(memory);
  const log = new SourceLog(source, queues, copy.end);
  let stopped = 0;
  try {
    await shareMemory(destination, copy);
    await log.start();
    const rounds = await copyRunning(copy, log, options);
    const since = performance.now();
    const drain = !source.negotiation.has(ProtocolFeature.GetVringBaseSkipDrain);
    const bases = new Map<ClientQueue, number>();
    for (const queue of queues) {
      bases.set(queue, await stopRing(source, queue, drain));
      stopped += 1;
    }
    const state = await moveState(source, destination);
    options.signal?.throwIfAborted();
    const last = copyRest(copy, log, queues);
    const missedPages = options.compare ? copy.differing() : undefined;
    await handOver(destination, copy, session, bases);
    const downMs = performance.now() - since;
    return { rounds: [...rounds, last], downMs, stateBytes: state?.length, missedPages };
  } catch (error) {
    await goOn(source, log, session, stopped);
    throw error;
  } finally {
    log.close();
    copy.close();
  }
}

async function copyRunning(
  copy: MemoryCopy,
  log: SourceLog,
  { maxRounds = 8, stopAtPages = 64, signal }: MigrationOptions,
): Promise<MigrationRound[]> {
  log.take();
  await copy.copyAll(signal);
  const rounds: MigrationRound[] = [{ pages: copy.pages, byDevice: 0 }];
  while (rounds.length < maxRounds && (rounds.at(-1)?.pages ?? 0) > stopAtPages) {
    await setImmediate();
    signal?.throwIfAborted();
    const { pages, byDevice } = log.take();
    rounds.push({ pages: copy.copyPages(pages), byDevice });
  }
  return rounds;
}

/** This runs in one turn of the event loop: later writes of the driver go to the copy. */
function copyRest(
  copy: MemoryCopy,
  log: SourceLog,
  queues: readonly ClientQueue[],
): MigrationRound {
  const { pages, byDevice } = log.take();
  const all = new Set(pages);
  // The ring parts that the driver writes are copied as a whole, as their writes are not logged.
  for (const { ring } of queues) for (const part of ring.written) addPages(all, part);
  return { pages: copy.copyPages(all), byDevice };
}

function addPages(
  pages: Set<number>,
  { guestAddress, bytes }: { readonly guestAddress: number; readonly bytes: Uint8Array },
): void {
  const last = Math.floor((guestAddress + bytes.length - 1) / 4096);
  for (let page = Math.floor(guestAddress / 4096); page <= last; page += 1) pages.add(page);
}

async function moveState(
  source: FrontendRequests,
  destination: FrontendRequests,
): Promise<Uint8Array | undefined> {
  const both = [source, destination].every(({ negotiation }) =>
    negotiation.has(ProtocolFeature.DeviceState),
  );
  if (!both) return undefined;
  const state = await saveDeviceState(source);
  await loadDeviceState(destination, state);
  return state;
}

/** The buffers use the copy from now on. When a ring does not start there, that is undone. */
async function handOver(
  destination: FrontendRequests,
  copy: MemoryCopy,
  { memory, queues, prepare }: MovingSession,
  bases: ReadonlyMap<ClientQueue, number>,
): Promise<void> {
  const origin = memory.regions.map(({ fd }) => fd.duplicate());
  const started: ClientQueue[] = [];
  try {
    memory.moveTo(copy.regions);
    for (const queue of queues) {
      await prepare(destination, queue);
      queue.renew();
      started.push(queue);
      await startRing(destination, queue, bases.get(queue));
    }
    if (queues.length > 0) await confirmStart(destination);
  } catch (error) {
    // The completions of the destination count. Its requests in flight must complete first, if it
    // still answers.
    for (const { index } of started) await haltRing(destination, index).catch(() => undefined);
    restoreMemory(memory, origin);
    for (const queue of queues) queue.suspend();
    throw error;
  } finally {
    for (const fd of origin) fd.close();
  }
}

/** The source serves the session again. What fails now shows at the next request. */
async function goOn(
  source: FrontendRequests,
  log: SourceLog,
  { queues, prepare }: MovingSession,
  stopped: number,
): Promise<void> {
  try {
    await log.stop();
    for (const queue of queues.slice(0, stopped)) {
      await prepare(source, queue);
      queue.renew();
      await startRing(source, queue);
      queue.start();
      queue.notify();
    }
  } catch (error) {
    for (const queue of queues) queue.fail(asError(error));
  }
}
