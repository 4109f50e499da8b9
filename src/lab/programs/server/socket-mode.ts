import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { delay } from "../../../core/base/index.ts";
import { parseSocketRows, tablesNear, type UnixSocketRow } from "../../../core/os/proc-net-unix.ts";

/** `connected`: a peer has connected; `closed`: there is no such socket (any more). */
export type SocketMode = "listening" | "connected" | "closed";

/**
 * Looks a path up in the kernel's tables of UNIX sockets, without making a connection.
 *
 * @param near a process that may listen there in a network namespace of its own
 */
export function socketMode(path: string, near?: number): SocketMode {
  const rows = socketRows(path, near);
  if (rows.some((row) => !row.listening)) return "connected";
  return rows.length > 0 ? "listening" : "closed";
}

const pollMs = 5;

/**
 * Resolves when the kernel knows no socket of this path any more, or after the time-out. A process
 * counts as gone when its first thread is; its other threads may hold its sockets for a moment longer.
 */
export async function waitUntilClosed(path: string, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (socketMode(path) !== "closed" && performance.now() < deadline) await delay(pollMs);
}

/** Does this process itself listen there? */
export function holdsListener(pid: number, path: string): boolean {
  return holdsOneOf(
    pid,
    socketRows(path, pid).filter((row) => row.listening),
  );
}

/** Has this process a socket of that path, listening or not yet? Proves that it made the path. */
export function holdsSocket(pid: number, path: string): boolean {
  return holdsOneOf(pid, socketRows(path, pid));
}

function holdsOneOf(pid: number, rows: readonly UnixSocketRow[]): boolean {
  const names = new Set(rows.map(({ inode }) => `socket:[${inode}]`));
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return names.has(readlinkSync(`/proc/${pid}/fd/${fd}`));
      } catch {
        return false;
      }
    });
  } catch {
    return false;
  }
}

function socketRows(path: string, near?: number): UnixSocketRow[] {
  const tables = [readFileSync("/proc/net/unix", "utf8")];
  if (near !== undefined) tables.push(...tablesNear(near));
  return tables.flatMap(parseSocketRows).filter((row) => row.path === path);
}
