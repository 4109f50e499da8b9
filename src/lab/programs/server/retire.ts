import { lstatSync } from "node:fs";
import { StateError, systemCode } from "../../../core/base/index.ts";
import { describeProcess, effectiveUserId } from "../../../core/os/process-name.ts";
import { isOurs, type Ledger, type LedgerRecord } from "../ledger/ledger.ts";
import { type OwnedPath, ownPath, type PathRole, removeOwnedPath } from "../ledger/owned-path.ts";
import { freeze } from "../process/freeze.ts";
import { isRunning, type ProcessIdentity, waitUntilGone } from "../process/process-identity.ts";
import { ownImagePath } from "./server-options.ts";
import { serverDetails, serverRecordKind } from "./server-record.ts";
import { holdsSocket, waitUntilClosed } from "./socket-mode.ts";

/** The result of ending a run: the removed and the remaining files. */
export interface Retirement {
  /** The process that was stopped. */
  readonly stopped: ProcessIdentity | undefined;
  /** True if SIGKILL was necessary. */
  readonly forced: boolean;
  readonly removed: readonly string[];
  readonly left: readonly { readonly path: string; readonly reason: string }[];
}

export interface RetireOptions {
  /** Milliseconds that the process may take after SIGTERM; default 5000. */
  readonly graceMs?: number;
  /** The paths to keep. */
  readonly keep?: readonly PathRole[];
}

const defaultGraceMs = 5000;
const killMs = 5000;
const socketMs = 1000;

/**
 * Stops the record's process and removes its paths and the record itself. Never interrupted: it
 * ends within about ten seconds, and half of it would be worse.
 *
 * @throws {StateError} the process survives SIGKILL; the record stays
 */
export async function retire(
  ledger: Ledger,
  record: LedgerRecord,
  { graceMs = defaultGraceMs, keep = [] }: RetireOptions = {},
): Promise<Retirement> {
  const stopped = isOurs(record) ? record.process : undefined;
  // One that began to start may be about to make its socket.
  const frozen = stopped !== undefined && record.state === "starting";
  if (frozen) await freeze(stopped);
  const paths = [...record.paths, ...unrecorded(record)];
  let forced = false;
  if (stopped !== undefined) {
    const name = describeProcess(stopped.pid);
    signalOurs(stopped, "SIGTERM");
    if (frozen) signalOurs(stopped, "SIGCONT");
    if (!(await waitUntilGone(stopped, { timeoutMs: graceMs }))) {
      forced = true;
      signalOurs(stopped, "SIGKILL");
      if (!(await waitUntilGone(stopped, { timeoutMs: killMs }))) {
        throw new StateError(
          `${name} still runs ${killMs} ms after SIGKILL; its files were left alone; ` +
            `the kernel holds it (ps -o stat,wchan -p ${stopped.pid}): try again later`,
        );
      }
    }
  }
  if (stopped !== undefined) {
    // A command that starts the next server at once would find the path in use.
    for (const { role, path } of paths)
      if (role === "socket") await waitUntilClosed(path, socketMs);
  }
  const removed: string[] = [];
  const left: { path: string; reason: string }[] = [];
  for (const owned of paths) {
    if (keep.includes(owned.role)) continue;
    const state = removeOwnedPath(owned);
    if (state === "ours") removed.push(owned.path);
    if (state === "changed") {
      left.push({ path: owned.path, reason: `it is no longer the ${owned.role} that we made` });
    }
  }
  ledger.remove(record.id);
  return { stopped, forced, removed, left };
}

/** The only place that signals what another command started: pid, start time and boot are compared. */
function signalOurs(identity: ProcessIdentity, signal: NodeJS.Signals): void {
  if (!isRunning(identity)) return;
  try {
    process.kill(identity.pid, signal);
  } catch (error) {
    // It ended in between.
    if (systemCode(error) !== "ESRCH") throw error;
  }
}

/**
 * Finds the files that an interrupted start had made and not yet recorded. The socket belongs to it
 * if the process still has it. The record announced paths that were free then: an empty file of
 * this user at such a path is from the start, which records a file right after it creates it, and
 * only then fills it.
 */
function unrecorded(record: LedgerRecord): OwnedPath[] {
  if (record.kind !== serverRecordKind || record.state !== "starting") return [];
  const { options } = serverDetails(record);
  const known = new Set(record.paths.map(({ role }) => role));
  const found: OwnedPath[] = [];
  const { process: identity } = record;
  if (!known.has("socket") && identity !== null && holdsSocket(identity.pid, options.socket)) {
    if (isOurs(record)) found.push(ownPath(options.socket, "socket"));
  }
  const files = { log: options.log, "pid file": options.pidFile, image: ownImagePath(options) };
  for (const [role, path] of Object.entries(files) as [PathRole, string | undefined][]) {
    if (path === undefined || known.has(role)) continue;
    const stat = lstatSync(path, { throwIfNoEntry: false });
    const isNew = stat?.isFile() === true && stat.size === 0 && stat.uid === effectiveUserId();
    if (isNew) found.push(ownPath(path, role));
  }
  return found;
}
