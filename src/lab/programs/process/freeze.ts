import { readFileSync } from "node:fs";
import { delay } from "../../../core/base/index.ts";
import { isRunning, type ProcessIdentity } from "./process-identity.ts";

const pollMs = 1;
/** Milliseconds to wait for a process that is inside a system call. */
const standstillMs = 1000;

/**
 * Stops a process of ours where it is, so that what it has made can be looked at while it makes
 * nothing more. Resolves when it is stopped or gone. It is ended afterwards: SIGKILL reaches
 * it at once, SIGTERM with the SIGCONT that follows it.
 */
export async function freeze(identity: ProcessIdentity): Promise<void> {
  if (!isRunning(identity)) return;
  try {
    process.kill(identity.pid, "SIGSTOP");
  } catch {
    // It ended in between.
    return;
  }
  const deadline = performance.now() + standstillMs;
  while (isRunning(identity) && !isStopped(identity.pid) && performance.now() < deadline) {
    await delay(pollMs);
  }
}

function isStopped(pid: number): boolean {
  try {
    // The state follows the name, which is in parentheses and may contain anything.
    return /^.*\) [Tt] /s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return true;
  }
}
