import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { descendants } from "./process-tree.ts";

/** `__SO_ACCEPTCON`: the only flag that the kernel ever shows. */
const LISTENING = "00010000";

/** Num: RefCount Protocol Flags Type St Inode Path; a path may contain spaces, and end in one. */
const line = /^[0-9a-f]+: \S+ \S+ (\S+) \S+ \S+ +(\d+) (.+)$/i;

/** A socket that has a path. */
export interface UnixSocketRow {
  readonly path: string;
  readonly inode: string;
  readonly listening: boolean;
}

/**
 * Returns the sockets with a path in a text like that of `/proc/net/unix`; accepted sockets have
 * the listener's path.
 */
export function parseSocketRows(text: string): UnixSocketRow[] {
  return text.split("\n").flatMap((row) => {
    const [, flags, inode, path] = line.exec(row) ?? [];
    if (inode === undefined || path === undefined) return [];
    return [{ path, inode, listening: flags === LISTENING }];
  });
}

/** Returns the paths of listening sockets in a text like that of `/proc/net/unix`. */
export function parseListeningPaths(text: string): Set<string> {
  return new Set(parseListeners(text).keys());
}

/** Maps the path of every listening socket to its inode number. */
function parseListeners(text: string): Map<string, string> {
  return new Map(
    parseSocketRows(text).flatMap(({ path, inode, listening }) =>
      listening ? [[path, inode] as const] : [],
    ),
  );
}

/**
 * Returns every path that a socket of this network namespace listens on, spelled as it was bound:
 * possibly relative to another process's directory. Abstract addresses start with `@`. It makes no
 * connection.
 *
 * A path may have been removed since, or belong to another socket by now.
 */
export function listeningPaths(): Set<string> {
  return parseListeningPaths(readFileSync("/proc/net/unix", "utf8"));
}

/**
 * Returns whether a socket listens on exactly this path.
 *
 * @param near a process that is expected to listen, or whose children are: they may be in other
 *   network namespaces. What such a process has a container manager start is found if the path is a
 *   socket here.
 */
export function isListening(path: string, near?: number): boolean {
  if (listeningPaths().has(path)) return true;
  if (near === undefined) return false;
  const lists = (table: string): boolean => parseListeningPaths(table).has(path);
  return tablesNear(near).some(lists) || (isSocket(path) && otherTables(processIds()).some(lists));
}

/**
 * Returns the tables of the network namespaces, other than ours, in which a process and its
 * children are.
 */
export function tablesNear(pid: number): string[] {
  return otherTables([pid, ...descendants(pid)]);
}

/**
 * Returns the path by which this process can connect to a socket that another process bound to
 * `path`. In the mount namespace of that process the same path may name another file.
 *
 * @param near that process, or one that started it
 */
export function reachablePath(path: string, near: number): string {
  if (isSocket(path)) return path;
  const seen = [near, ...descendants(near)].map((pid) => `/proc/${pid}/root${resolve(path)}`);
  return seen.find(isSocket) ?? path;
}

/**
 * Returns a process that holds the socket which listens on exactly this path; undefined if it
 * cannot be seen, for example because it belongs to another user. Serves callers that have no
 * connection whose credentials name the peer.
 */
export function listenerProcessId(path: string): number | undefined {
  const listener = (table: string): string | undefined => parseListeners(table).get(path);
  let inode = listener(readFileSync("/proc/net/unix", "utf8"));
  if (inode === undefined && isSocket(path)) {
    [inode] = otherTables(processIds()).flatMap((table) => listener(table) ?? []);
  }
  if (inode === undefined) return undefined;
  return processIds().find((pid) => holdsDescriptor(pid, `socket:[${inode}]`));
}

/** Returns the tables of the network namespaces, other than ours, that these processes are in. */
function otherTables(pids: readonly number[]): string[] {
  const seen = new Set([readlink("/proc/self/ns/net")]);
  return pids.flatMap((pid) => {
    const namespace = readlink(`/proc/${pid}/ns/net`);
    if (namespace === undefined || seen.has(namespace)) return [];
    seen.add(namespace);
    try {
      return [readFileSync(`/proc/${pid}/net/unix`, "utf8")];
    } catch {
      // The process has ended; another one may be in the same namespace.
      seen.delete(namespace);
      return [];
    }
  });
}

function processIds(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function isSocket(path: string): boolean {
  try {
    return statSync(path).isSocket();
  } catch {
    return false;
  }
}

function holdsDescriptor(pid: number, target: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some(
      (fd) => readlink(`/proc/${pid}/fd/${fd}`) === target,
    );
  } catch {
    // The process has ended, or belongs to another user.
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
