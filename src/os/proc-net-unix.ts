import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** `__SO_ACCEPTCON`: the only flag that the kernel ever shows. */
const LISTENING = "00010000";

/** Num: RefCount Protocol Flags Type St Inode Path; a path may contain spaces, and end in one. */
const line = /^[0-9a-f]+: \S+ \S+ (\S+) \S+ \S+ +(\d+) (.+)$/i;

/** The paths of listening sockets in a text like that of `/proc/net/unix`. */
export function parseListeningPaths(text: string): Set<string> {
  return new Set(parseListeners(text).keys());
}

/** Path to inode number of every listening socket. */
function parseListeners(text: string): Map<string, string> {
  const listeners = new Map<string, string>();
  for (const row of text.split("\n")) {
    const [, flags, inode, path] = line.exec(row) ?? [];
    if (flags === LISTENING && inode !== undefined && path !== undefined) {
      listeners.set(path, inode);
    }
  }
  return listeners;
}

/**
 * Every path that a socket of this network namespace listens on, spelled as it was bound: possibly
 * relative to another process's directory. Abstract addresses start with `@`. Connects to nobody.
 *
 * A path may since have been removed, or be another socket's by now.
 */
export function listeningPaths(): Set<string> {
  return parseListeningPaths(readFileSync("/proc/net/unix", "utf8"));
}

/** Does somebody listen on exactly this path? See {@link listeningPaths}. */
export function isListening(path: string): boolean {
  return listeningPaths().has(path);
}

/**
 * A process that holds the socket which listens on exactly this path; undefined when it cannot be
 * seen, e.g. because it is another user's. For when there is no connection that would tell.
 */
export function listenerProcessId(path: string): number | undefined {
  const inode = parseListeners(readFileSync("/proc/net/unix", "utf8")).get(path);
  if (inode === undefined) return undefined;
  const processes = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const holder = processes.find((pid) => holdsDescriptor(pid, `socket:[${inode}]`));
  return holder === undefined ? undefined : Number(holder);
}

function holdsDescriptor(pid: string, target: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some(
      (fd) => readlink(`/proc/${pid}/fd/${fd}`) === target,
    );
  } catch {
    // It is gone, or another user's.
    return false;
  }
}

function readlink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
