import { readFileSync, rmSync } from "node:fs";
import { UsageError } from "../../../core/base/index.ts";
import { fileKind } from "../../../core/os/path-problem.ts";
import { describeProcess } from "../../../core/os/process-name.ts";
import { statOwn, type PathPurpose } from "./private-file.ts";
import { isRunning, parseIdentity, type ProcessIdentity } from "../process/process-identity.ts";

export const pidFilePurpose: PathPurpose = { what: "pid file", option: "--pid-file" };

/** The contents of a pid file of this package. */
export interface PidFile {
  readonly process: ProcessIdentity;
  /** The owner; null in a file of an older version. */
  readonly owner: string | null;
}

/**
 * Line 1 is for every reader: the pid alone. Line 2 says which process of that pid was meant, line 3
 * who started it.
 */
export function pidFileText(
  { pid, startTime, bootId }: ProcessIdentity,
  owner: string | null,
): string {
  return `${pid}\n${startTime} ${bootId}\n${owner === null ? "" : `owner ${owner}\n`}`;
}

/** Parses a text of {@link pidFileText}; undefined if it is another text. */
export function parsePidFile(text: string): PidFile | undefined {
  const [, pid, startTime, bootId, owner = null] =
    /^(\d+)\n(\d+) (\S+)\n(?:owner (.+)\n)?$/.exec(text) ?? [];
  try {
    return { process: parseIdentity({ pid: Number(pid), startTime, bootId }), owner };
  } catch {
    return undefined;
  }
}

/**
 * Makes the way free for a new pid file: one of ours whose process is gone is removed.
 *
 * @param note called with a line about what was removed
 * @throws {UsageError} the file is not ours, or its process runs
 */
export function clearPidFile(path: string, note: (text: string) => void): void {
  const found = findStalePidFile(path);
  if (found === undefined) return;
  if (typeof found === "string") throw new UsageError(found);
  rmSync(path);
  note(`${path}: replaced, it was left by pid ${found.process.pid}, which is gone`);
}

/**
 * Returns the contents of a stale pid file, or the reason why it must not be removed; undefined if
 * there is none.
 */
export function findStalePidFile(path: string): string | PidFile | undefined {
  const stats = statOwn(path, pidFilePurpose);
  if (stats === undefined) return undefined;
  if (!stats.isFile()) {
    return (
      `${path}: it is ${fileKind(path) ?? "gone again"} and not a pid file of ours; it was left alone; ` +
      `choose another path with --pid-file`
    );
  }
  const found = parsePidFile(readFileSync(path, "utf8"));
  if (found === undefined) {
    return (
      `${path}: it is not a pid file of ours (line 2 with start time and boot id is missing), so it and the ` +
      `process that it may name were left alone; remove it yourself, or choose another path with --pid-file`
    );
  }
  const { process } = found;
  if (isRunning(process)) {
    return (
      `${path}: it names ${describeProcess(process.pid)}, which runs, but the ledger does not know it under ` +
      `this socket; nothing was stopped: stop it with the --socket it was started with, or kill ${process.pid}`
    );
  }
  return found;
}
