import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { delay } from "../../base/index.ts";

/** `connected`: somebody has connected; `closed`: there is no such socket (any more). */
export type SocketMode = "listening" | "connected" | "closed";

interface SocketRow {
  readonly inode: string;
  readonly listening: boolean;
}

/** What the kernel's table of UNIX sockets tells about a path. Nobody is connected to. */
export function socketMode(path: string): SocketMode {
  const rows = socketRows(path);
  if (rows.some((row) => !row.listening)) return "connected";
  return rows.length > 0 ? "listening" : "closed";
}

const pollMs = 5;

/**
 * Resolves when the kernel knows no socket of this path any more, or after the time-out. A process
 * counts as gone when its first thread is; the others may hold its sockets for a moment longer.
 */
export async function waitUntilClosed(path: string, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (socketMode(path) !== "closed" && performance.now() < deadline) await delay(pollMs);
}

/** Does this process itself listen there? */
export function holdsListener(pid: number, path: string): boolean {
  return holdsOneOf(
    pid,
    socketRows(path).filter((row) => row.listening),
  );
}

/** Has this process a socket of that path, listening or not yet? Proves that it made the path. */
export function holdsSocket(pid: number, path: string): boolean {
  return holdsOneOf(pid, socketRows(path));
}

function holdsOneOf(pid: number, rows: readonly SocketRow[]): boolean {
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

function socketRows(path: string): SocketRow[] {
  const rows: SocketRow[] = [];
  for (const text of readFileSync("/proc/net/unix", "utf8").split("\n")) {
    // Num: RefCount Protocol Flags Type St Inode Path; accepted ones carry the listener's path.
    const [, flags, inode, bound] = /^\S+: \S+ \S+ (\S+) \S+ \S+ +(\d+) (.+)$/.exec(text) ?? [];
    if (bound === path && inode !== undefined)
      rows.push({ inode, listening: flags === "00010000" });
  }
  return rows;
}
