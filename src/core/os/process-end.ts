import { readFileSync } from "node:fs";
import { constants } from "node:os";

/** PF_EXITING of the kernel's `task_struct`. */
const EXITING = 4;

/** The state of a process that ends, as far as /proc has it. */
export interface ProcessEnd {
  /** Absent where another user's process hides it. */
  readonly code?: number | undefined;
  /** The signal that ended it, e.g. `SIGSEGV`. */
  readonly signal?: string | undefined;
}

/**
 * Reads whether a process is ending or a zombie. Its sockets are closed before its parent can wait for
 * it, so a peer that sees the end of a connection asks here why.
 *
 * @returns undefined while the process runs; no members when it is gone, or hides its exit code
 */
export function processEnd(pid: number): ProcessEnd | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return {};
  }
  // The name is in parentheses and may hold anything; what follows is fields from the third on.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state, flags, status] = [fields[0], Number(fields[6]), Number(fields[49])];
  if (state !== "Z" && state !== "X" && (flags & EXITING) === 0) return undefined;
  const signal = signalName(status & 0x7f);
  return signal === undefined ? { code: (status >> 8) & 0xff } : { signal };
}

function signalName(number: number): string | undefined {
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
}
