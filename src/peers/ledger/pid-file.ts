import { readFileSync, rmSync } from "node:fs";
import { UsageError } from "../../base/index.ts";
import { describeProcess } from "../../os/process-name.ts";
import { statOwn, type PathPurpose } from "./private-file.ts";
import { isRunning, parseIdentity, type ProcessIdentity } from "../process/process-identity.ts";

export const pidFilePurpose: PathPurpose = { what: "pid file", option: "--pid-file" };

/** Line 1 is for everybody: the pid alone. Line 2 says which process of that pid was meant. */
export function pidFileText({ pid, startTime, bootId }: ProcessIdentity): string {
  return `${pid}\n${startTime} ${bootId}\n`;
}

/** Undefined when the text is not what {@link pidFileText} makes. */
export function parsePidFile(text: string): ProcessIdentity | undefined {
  const [, pid, startTime, bootId] = /^(\d+)\n(\d+) (\S+)\n$/.exec(text) ?? [];
  try {
    return parseIdentity({ pid: Number(pid), startTime, bootId });
  } catch {
    return undefined;
  }
}

/**
 * Makes the way free for a new pid file: one of ours whose process is gone is removed.
 *
 * @param note told what was removed
 * @throws {UsageError} what stands there is not ours, or its process runs
 */
export function clearPidFile(path: string, note: (text: string) => void): void {
  const problem = removeStalePidFile(path);
  if (problem === undefined) return;
  if (typeof problem === "string") throw new UsageError(problem);
  note(`${path}: replaced, it was left by pid ${problem.stale.pid}, which is gone`);
}

/** Why it cannot be removed, or whose it was; undefined: there is none. */
export function removeStalePidFile(
  path: string,
  dryRun = false,
): string | { readonly stale: ProcessIdentity } | undefined {
  const found = statOwn(path, pidFilePurpose);
  if (found === undefined) return undefined;
  const identity = found.isFile() ? parsePidFile(readFileSync(path, "utf8")) : undefined;
  if (identity === undefined) {
    return (
      `${path}: it is not a pid file of ours (line 2 with start time and boot id is missing), so it and the ` +
      `process that it may name were left alone; remove it yourself, or choose another path with --pid-file`
    );
  }
  if (isRunning(identity)) {
    return (
      `${path}: it names ${describeProcess(identity.pid)}, which runs, but the ledger does not know it under ` +
      `this socket; nothing was stopped: stop it with the --socket it was started with, or kill ${identity.pid}`
    );
  }
  if (!dryRun) rmSync(path);
  return { stale: identity };
}
