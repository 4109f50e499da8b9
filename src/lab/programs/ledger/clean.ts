import { lstatSync, readdirSync, rmSync, type Stats } from "node:fs";
import { join } from "node:path";
import { asError, EnvironmentError, systemCode } from "../../../core/base/index.ts";
import { fileKind, pathProblem } from "../../../core/os/path-problem.ts";
import { describeProcess, effectiveUserId } from "../../../core/os/process-name.ts";
import { kvmCacheName } from "../machine/kvm.ts";
import { isLockFile, type LedgerLock, tryLockLedger } from "./ledger-lock.ts";
import { damageText, isOurs, type Ledger, type LedgerRecord } from "./ledger.ts";
import { isOurLog, logOwner } from "../server/log-file.ts";
import { currentOwner } from "./owner.ts";
import { pathState } from "./owned-path.ts";
import { findStalePidFile } from "./pid-file.ts";
import { bootId, isRunning } from "../process/process-identity.ts";
import { retire, type Retirement } from "../server/retire.ts";
import { serverDefaults, type ServerOptions, shellWords } from "../server/server-options.ts";
import { serverRecordKind } from "../server/server-record.ts";

export interface CleanOptions {
  /** Reports without removing anything. */
  readonly dryRun?: boolean;
  /** Removes caches as well, which make the next run faster. */
  readonly caches?: boolean;
  /** The owner whose records are cleaned; default {@link currentOwner}; null for all owners. */
  readonly owner?: string | null;
  /** The default paths of runs. */
  readonly paths?: Pick<ServerOptions, "socket" | "pidFile" | "log">;
  readonly signal?: AbortSignal | undefined;
}

/** A path or a process. */
export interface Cleaned {
  readonly what: string;
  /** The owner; null if it is unknown, or if the file belongs to all owners (locks, caches). */
  readonly owner: string | null;
}

export interface CleanReport {
  readonly removed: readonly Cleaned[];
  readonly left: readonly (Cleaned & { readonly reason: string })[];
}

/**
 * Removes what runs of an owner left: what the ledger proves to be ours, and pid file and log at the
 * default paths when they say so themselves and no process uses them. Everything else stays and is
 * named.
 *
 * @throws `signal.reason`, between two runs
 */
export async function clean(ledger: Ledger, options: CleanOptions = {}): Promise<CleanReport> {
  const { dryRun = false, paths = serverDefaults, signal, owner = currentOwner() } = options;
  const run = new CleanRun(ledger, owner, dryRun);
  for (const { id } of ledger.list().records) {
    signal?.throwIfAborted();
    await run.record(id);
  }
  run.rest(paths, options.caches === true);
  return { removed: run.removed, left: run.left };
}

class CleanRun {
  readonly removed: Cleaned[] = [];
  readonly left: (Cleaned & { readonly reason: string })[] = [];
  readonly #ledger: Ledger;
  readonly #owner: string | null;
  readonly #dryRun: boolean;

  constructor(ledger: Ledger, owner: string | null, dryRun: boolean) {
    this.#ledger = ledger;
    this.#owner = owner;
    this.#dryRun = dryRun;
  }

  async record(id: string): Promise<void> {
    const before = this.#read(id);
    if (before === undefined || !this.#covers(before)) return;
    const file = this.#ledger.fileOf(id);
    const lock = tryLockLedger(this.#ledger, id);
    if (!("file" in lock)) {
      const reason = `${describeProcess(lock.heldBy.pid)} works on it; run clean again when that has ended`;
      this.left.push({ what: file, owner: before.owner, reason });
      return;
    }
    using _lock: LedgerLock = lock;
    // Another command may have replaced it before the lock was ours.
    const record = this.#read(id);
    if (record === undefined || !this.#covers(record)) return;
    const { owner, writer, kind } = record;
    // A server is meant to outlive its command; anything else is in use as long as that runs.
    if (kind !== serverRecordKind && isRunning(writer)) {
      const reason = `${describeProcess(writer.pid)} is at work with it; run clean again when that has ended`;
      this.left.push({ what: file, owner, reason });
      return;
    }
    const running = isOurs(record) ? [describeProcess(record.process.pid)] : [];
    let result: Pick<Retirement, "removed" | "left">;
    try {
      result = this.#dryRun ? wouldRetire(record) : await retire(this.#ledger, record);
    } catch (error) {
      // A path of it cannot be looked at or removed: the other records are cleaned all the same.
      if (systemCode(error) === undefined) throw error;
      this.left.push({ what: file, owner, reason: messageOf(error) });
      return;
    }
    for (const what of [...running, ...result.removed, file]) this.removed.push({ what, owner });
    for (const { path, reason } of result.left) this.left.push({ what: path, owner, reason });
  }

  /** Cleans the default paths that no record covers. */
  rest({ socket, pidFile, log }: Required<CleanOptions>["paths"], caches: boolean): void {
    const { records, damaged } = this.#ledger.list();
    for (const one of damaged) {
      this.left.push({ what: one.file, owner: null, reason: damageText(one) });
    }
    const accounted = new Set([...this.removed, ...this.left].map(({ what }) => what));
    for (const { paths } of records) for (const { path } of paths) accounted.add(path);
    if (!accounted.has(pidFile)) this.#pidFile(pidFile);
    if (!accounted.has(log)) this.#log(log);
    if (!accounted.has(socket) && this.#look(socket)) {
      const what = fileKind(socket) ?? "gone again";
      const reason = `it is ${what} that the ledger does not know; when no program needs it, remove it yourself`;
      this.left.push({ what: socket, owner: null, reason });
    }
    const files = cleanFolder(this.#ledger, caches, this.#dryRun);
    for (const what of files) this.removed.push({ what, owner: null });
  }

  /**
   * Reads a record; undefined if it was removed or is damaged. Damaged ones are reported at the
   * end.
   */
  #read(id: string): LedgerRecord | undefined {
    try {
      return this.#ledger.read(id);
    } catch (error) {
      if (error instanceof EnvironmentError) return undefined;
      throw error;
    }
  }

  /** Returns false for a record of another owner, which is left and reported. */
  #covers(record: LedgerRecord): boolean {
    const what = isOurs(record)
      ? describeProcess(record.process.pid)
      : this.#ledger.fileOf(record.id);
    return this.#coversOwner(what, record.owner);
  }

  #coversOwner(what: string, owner: string | null): boolean {
    if (this.#owner === null || this.#owner === owner) return true;
    const reason =
      owner === null
        ? "an older version made it and recorded no owner; --all-owners covers it"
        : `${owner} started it; --owner ${shellWords([owner])} or --all-owners covers it`;
    this.left.push({ what, owner, reason });
    return false;
  }

  #pidFile(path: string): void {
    if (this.#look(path) === undefined) return;
    try {
      const found = findStalePidFile(path);
      if (found === undefined) return;
      if (typeof found === "string") this.#leave(path, withoutPath(found, path));
      else if (this.#coversOwner(path, found.owner)) this.#remove(path, found.owner);
    } catch (error) {
      this.#leave(path, withoutPath(messageOf(error), path));
    }
  }

  #log(path: string): void {
    const found = this.#look(path);
    if (found === undefined) return;
    if (!found.isFile() || found.uid !== effectiveUserId() || !isOurLog(path)) {
      this.#leave(path, "it is not a log of ours");
      return;
    }
    const owner = logOwner(path);
    if (this.#coversOwner(path, owner)) this.#remove(path, owner);
  }

  /** Returns what is at a path; one that cannot be read is left alone and reported. */
  #look(path: string): Stats | undefined {
    try {
      return lstatSync(path, { throwIfNoEntry: false });
    } catch (error) {
      // Where a folder on the way is a file, nothing was left.
      if (systemCode(error) !== "ENOTDIR")
        this.#leave(path, pathProblem(path)?.text ?? messageOf(error));
      return undefined;
    }
  }

  #leave(what: string, reason: string): void {
    this.left.push({ what, owner: null, reason });
  }

  #remove(path: string, owner: string | null): void {
    if (!this.#dryRun) rmSync(path);
    this.removed.push({ what: path, owner });
  }
}

/** Returns the result that `retire` would have. */
function wouldRetire({ paths }: LedgerRecord): Pick<Retirement, "removed" | "left"> {
  const ours = paths.filter((owned) => pathState(owned) === "ours");
  return { removed: ours.map(({ path }) => path), left: [] };
}

/** Half-written files and locks of processes that are gone; the folder itself stays. */
function cleanFolder(ledger: Ledger, caches: boolean, dryRun: boolean): string[] {
  const removed: string[] = [];
  for (const name of readdirSync(ledger.folder)) {
    const path = join(ledger.folder, name);
    const [, pid, startTime = ""] = /^\..+\.(\d+)-(\d+)\.tmp$/.exec(name) ?? [];
    const abandoned =
      pid !== undefined && !isRunning({ pid: Number(pid), startTime, bootId: bootId() });
    const unlocked = isLockFile(name) && releaseDeadLock(ledger, name, dryRun);
    const cache = caches && name === kvmCacheName;
    if (!abandoned && !unlocked && !cache) continue;
    // The lock of a dead process was removed by taking it; a new one at its path is another's.
    if (!dryRun && !unlocked) rmSync(path, { force: true });
    removed.push(path);
  }
  return removed;
}

/** Returns whether no process holds it any more. */
function releaseDeadLock(ledger: Ledger, name: string, dryRun: boolean): boolean {
  if (dryRun) return false;
  try {
    const lock = tryLockLedger(ledger, name.replace(/\.lock$/, ""));
    if (!("file" in lock)) return false;
    lock[Symbol.dispose]();
    return true;
  } catch {
    // Damaged: the next command that takes the lock reports it.
    return false;
  }
}

function messageOf(error: unknown): string {
  return asError(error).message;
}

function withoutPath(message: string, path: string): string {
  return message.startsWith(`${path}: `) ? message.slice(path.length + 2) : message;
}
