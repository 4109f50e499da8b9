import { linkSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { delay, EnvironmentError, systemCode } from "../../../core/base/index.ts";
import { describeProcess } from "../../../core/os/process-name.ts";
import type { Ledger } from "./ledger.ts";
import { explainFileError } from "./private-file.ts";
import {
  identifySelf,
  isRunning,
  parseIdentity,
  type ProcessIdentity,
} from "../process/process-identity.ts";

/** Held until disposed; it dies with its owner: the next one to come finds that out. */
export interface LedgerLock extends Disposable {
  readonly file: string;
}

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called once, with who holds it, when it has to be waited for. */
  readonly onWait?: (holder: string) => void;
}

const pollMs = 50;
const suffix = ".lock";

/**
 * Waits until no other command holds the lock.
 *
 * @throws `signal.reason`; {@link EnvironmentError} the lock's file is damaged
 */
export async function lockLedger(
  ledger: Ledger,
  name: string,
  { signal, onWait }: LockOptions = {},
): Promise<LedgerLock> {
  for (let reported = false; ; await delay(pollMs, signal)) {
    signal?.throwIfAborted();
    const lock = tryLockLedger(ledger, name);
    if ("file" in lock) return lock;
    if (!reported) onWait?.(describeProcess(lock.heldBy.pid));
    reported = true;
  }
}

/** Returns the lock, or the process that holds it. */
export function tryLockLedger(
  ledger: Ledger,
  name: string,
): LedgerLock | { readonly heldBy: ProcessIdentity } {
  const file = join(ledger.folder, `${name}${suffix}`);
  if (create(ledger, file, name)) return held(file);
  const holder = readHolder(file);
  if (holder !== undefined && isRunning(holder)) return { heldBy: holder };
  if (holder !== undefined) breakLock(ledger, file, name, holder);
  if (create(ledger, file, name)) return held(file);
  return { heldBy: readHolder(file) ?? holder ?? identifySelf() };
}

/** Locks whose holders are gone. */
export function isLockFile(name: string): boolean {
  return name.endsWith(suffix);
}

function held(file: string): LedgerLock {
  let released = false;
  return {
    file,
    [Symbol.dispose]() {
      if (!released) rmSync(file, { force: true });
      released = true;
    },
  };
}

/** The file appears with its content in it (link), or not at all: as O_EXCL, but never half. */
function create(ledger: Ledger, file: string, name: string): boolean {
  const temporary = ledger.temporaryFile(name);
  try {
    writeFileSync(temporary, JSON.stringify(identifySelf()), { mode: 0o600, flag: "wx" });
    linkSync(temporary, file);
    return true;
  } catch (error) {
    if (systemCode(error) === "EEXIST") return false;
    throw explainFileError(error, file, {
      what: "lock",
      option: "the variable XDG_RUNTIME_DIR",
    });
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Returns undefined if no process holds it any more. */
function readHolder(file: string): ProcessIdentity | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    return parseIdentity(JSON.parse(text));
  } catch (cause) {
    throw new EnvironmentError(
      `the lock ${file} is damaged: when no other vhost-user command runs, remove it: rm ${file}`,
      { cause },
    );
  }
}

/**
 * Removes a dead holder's lock. It is renamed, so that only one of two commands succeeds, and then read
 * again: a running command may have made it meanwhile, and it is put back then. (A third command may
 * make a lock in between; then the pid file, made with O_EXCL, stops one of them.)
 */
function breakLock(ledger: Ledger, file: string, name: string, dead: ProcessIdentity): void {
  const aside = ledger.temporaryFile(`${name}-broken`);
  try {
    renameSync(file, aside);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return;
    throw error;
  }
  const taken = readHolder(aside);
  if (taken !== undefined && taken.startTime !== dead.startTime && isRunning(taken)) {
    try {
      linkSync(aside, file);
    } catch (error) {
      if (systemCode(error) !== "EEXIST") throw error;
    }
  }
  unlinkSync(aside);
}
