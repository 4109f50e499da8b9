import { lstatSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describeProcess, effectiveUserId } from "../../os/process-name.ts";
import { kvmCacheName } from "../machine/kvm.ts";
import { isLockFile, type LedgerLock, tryLockLedger } from "./ledger-lock.ts";
import { damageText, isOurs, type Ledger, type LedgerRecord } from "./ledger.ts";
import { isOurLog } from "../server/log-file.ts";
import { pathState } from "./owned-path.ts";
import { removeStalePidFile } from "./pid-file.ts";
import { bootId, isRunning } from "../process/process-identity.ts";
import { retire } from "../server/retire.ts";
import { serverDefaults, type ServerOptions } from "../server/server-options.ts";
import { serverRecordKind } from "../server/server-record.ts";

export interface CleanOptions {
  /** Only say what would be done. */
  readonly dryRun?: boolean;
  /** Also what makes the next run faster. */
  readonly caches?: boolean;
  /** Where runs leave things when nothing else is asked for. */
  readonly paths?: Pick<ServerOptions, "socket" | "pidFile" | "log">;
  readonly signal?: AbortSignal | undefined;
}

export interface CleanReport {
  /** `what` is a path or a process. */
  readonly removed: readonly string[];
  readonly left: readonly { readonly what: string; readonly reason: string }[];
}

/**
 * Removes what runs left: what the ledger proves to be ours, and pid file and log at the default
 * paths when they say so themselves and nobody uses them. Everything else stays and is named.
 *
 * @throws `signal.reason`, between two runs
 */
export async function clean(ledger: Ledger, options: CleanOptions = {}): Promise<CleanReport> {
  const { dryRun = false, paths = serverDefaults, signal } = options;
  const removed: string[] = [];
  const left: { what: string; reason: string }[] = [];
  const { records, damaged } = ledger.list();
  for (const record of records) {
    signal?.throwIfAborted();
    await cleanRecord(ledger, record, dryRun, removed, left);
  }
  for (const one of damaged) left.push({ what: one.file, reason: damageText(one) });
  const accounted = new Set([...removed, ...left.map(({ what }) => what)]);
  for (const record of ledger.list().records) {
    for (const { path } of record.paths) accounted.add(path);
  }
  if (!accounted.has(paths.pidFile)) cleanPidFile(paths.pidFile, dryRun, removed, left);
  if (!accounted.has(paths.log)) cleanLog(paths.log, dryRun, removed, left);
  if (!accounted.has(paths.socket) && stands(paths.socket)) {
    const reason = `the ledger does not know who made it; when nobody needs it: rm ${paths.socket}`;
    left.push({ what: paths.socket, reason });
  }
  cleanFolder(ledger, options.caches === true, dryRun, removed);
  return { removed, left };
}

type Left = { what: string; reason: string }[];

async function cleanRecord(
  ledger: Ledger,
  record: LedgerRecord,
  dryRun: boolean,
  removed: string[],
  left: Left,
): Promise<void> {
  const lock = tryLockLedger(ledger, record.id);
  if (!("file" in lock)) {
    left.push({
      what: ledger.fileOf(record.id),
      reason: `${describeProcess(lock.heldBy.pid)} works on it; run clean again when that has ended`,
    });
    return;
  }
  using _lock: LedgerLock = lock;
  // A server is meant to outlive its command; anything else is in use as long as that runs.
  const inUse = record.kind !== serverRecordKind && isRunning(record.owner);
  if (inUse) {
    const reason = `${describeProcess(record.owner.pid)} is at work with it; run clean again when that has ended`;
    left.push({ what: ledger.fileOf(record.id), reason });
    return;
  }
  const running = isOurs(record) ? describeProcess(record.process.pid) : undefined;
  if (dryRun) {
    if (running !== undefined) removed.push(running);
    for (const owned of record.paths) if (pathState(owned) === "ours") removed.push(owned.path);
    removed.push(ledger.fileOf(record.id));
    return;
  }
  const result = await retire(ledger, record);
  if (running !== undefined) removed.push(running);
  removed.push(...result.removed, ledger.fileOf(record.id));
  left.push(...result.left.map(({ path, reason }) => ({ what: path, reason })));
}

function cleanPidFile(path: string, dryRun: boolean, removed: string[], left: Left): void {
  try {
    const found = removeStalePidFile(path, dryRun);
    if (typeof found === "string") left.push({ what: path, reason: withoutPath(found, path) });
    else if (found !== undefined) removed.push(path);
  } catch (error) {
    left.push({ what: path, reason: withoutPath(messageOf(error), path) });
  }
}

function cleanLog(path: string, dryRun: boolean, removed: string[], left: Left): void {
  const found = stands(path);
  if (found === undefined) return;
  if (!found.isFile() || found.uid !== effectiveUserId() || !isOurLog(path)) {
    left.push({ what: path, reason: "it is not a log of ours" });
    return;
  }
  if (!dryRun) rmSync(path);
  removed.push(path);
}

/** Half-written files and locks of processes that are gone; the folder itself stays. */
function cleanFolder(ledger: Ledger, caches: boolean, dryRun: boolean, removed: string[]): void {
  for (const name of readdirSync(ledger.folder)) {
    const path = join(ledger.folder, name);
    const [, pid, startTime = ""] = /^\..+\.(\d+)-(\d+)\.tmp$/.exec(name) ?? [];
    const abandoned =
      pid !== undefined && !isRunning({ pid: Number(pid), startTime, bootId: bootId() });
    const unlocked = isLockFile(name) && releaseDeadLock(ledger, name, dryRun);
    const cache = caches && name === kvmCacheName;
    if (!abandoned && !unlocked && !cache) continue;
    if (!dryRun) rmSync(path, { force: true });
    removed.push(path);
  }
}

/** True when nobody holds it any more. */
function releaseDeadLock(ledger: Ledger, name: string, dryRun: boolean): boolean {
  if (dryRun) return false;
  try {
    const lock = tryLockLedger(ledger, name.replace(/\.lock$/, ""));
    if (!("file" in lock)) return false;
    lock[Symbol.dispose]();
    return true;
  } catch {
    // Damaged: its next user is told about it.
    return false;
  }
}

function stands(path: string) {
  return lstatSync(path, { throwIfNoEntry: false });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function withoutPath(message: string, path: string): string {
  return message.startsWith(`${path}: `) ? message.slice(path.length + 2) : message;
}
