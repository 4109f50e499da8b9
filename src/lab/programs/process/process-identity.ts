import { readFileSync } from "node:fs";
import { delay, recordOf, type WaitOptions } from "../../../core/base/index.ts";

/** A process for ever: its pid may belong to another one later, all three together never do. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks since boot, field 22 of `/proc/PID/stat`. */
  readonly startTime: string;
  readonly bootId: string;
}

const pollMs = 10;
let knownBootId: string | undefined;

/** Differs after every boot of this machine. */
export function bootId(): string {
  return (knownBootId ??= readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim());
}

/**
 * Returns the process that has this pid now; undefined if none, or a zombie that waits to be
 * reaped.
 */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  const startTime = startTimeOf(pid);
  return startTime === undefined ? undefined : { pid, startTime, bootId: bootId() };
}

/** This process. */
export function identifySelf(): ProcessIdentity {
  const self = identifyProcess(process.pid);
  if (self === undefined) throw new Error("/proc/PID/stat of this process cannot be read");
  return self;
}

/** Returns whether this very process still runs. A pid alone does not show it: pids are reused. */
export function isRunning({ pid, startTime, bootId: boot }: ProcessIdentity): boolean {
  return boot === bootId() && startTimeOf(pid) === startTime;
}

/** True as soon as the process is gone, false when it still runs after `timeoutMs`. */
export async function waitUntilGone(
  identity: ProcessIdentity,
  { timeoutMs = Infinity, signal }: WaitOptions,
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  while (isRunning(identity)) {
    if (performance.now() >= deadline) return false;
    await delay(pollMs, signal);
  }
  return true;
}

/** @throws {TypeError} it is not an identity */
export function parseIdentity(value: unknown): ProcessIdentity {
  const { pid, startTime, bootId: boot } = recordOf(value);
  if (typeof pid !== "number" || !Number.isSafeInteger(pid) || pid < 1) throw new TypeError("pid");
  if (typeof startTime !== "string" || !/^\d+$/.test(startTime)) throw new TypeError("startTime");
  if (typeof boot !== "string" || !/^[0-9a-f-]{36}$/.test(boot)) throw new TypeError("bootId");
  return { pid, startTime, bootId: boot };
}

/** Fields of a process that is not a zombie (Z) or dead (X). */
function startTimeOf(pid: number): string | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return undefined;
  }
  // Field 2 is the program's name in parentheses, which itself may hold spaces and parentheses.
  const [state = "", ...fields] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return /[ZXx]/.test(state) ? undefined : fields[18];
}
