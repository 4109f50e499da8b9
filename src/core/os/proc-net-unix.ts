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

/** The sockets with a path in a text like that of `/proc/net/unix`; accepted ones have the listener's. */
export function parseSocketRows(text: string): UnixSocketRow[] {
  return text.split("\n").flatMap((row) => {
    const [, flags, inode, path] = line.exec(row) ?? [];
    if (inode === undefined || path === undefined) return [];
    return [{ path, inode, listening: flags === LISTENING }];
  });
}

/** The paths of listening sockets in a text like that of `/proc/net/unix`. */
export function parseListeningPaths(text: string): Set<string> {
  return new Set(parseListeners(text).keys());
}

/** Path to inode number of every listening socket. */
function parseListeners(text: string): Map<string, string> {
  return new Map(
    parseSocketRows(text).flatMap(({ path, inode, listening }) =>
      listening ? [[path, inode] as const] : [],
    ),
  );
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

/**
 * Whether a socket listens on exactly this path. See {@link listeningPaths}.
 *
 * @param near a process that is expected to listen, or whose children are: they may be in other network
 *   namespaces. What such a process has a container manager start is found if the path is a socket here.
 */
export function isListening(path: string, near?: number): boolean {
  if (listeningPaths().has(path)) return true;
  if (near === undefined) return false;
  const lists = (table: string): boolean => parseListeningPaths(table).has(path);
  return tablesNear(near).some(lists) || (isSocket(path) && otherTables(processIds()).some(lists));
}

/**
 * The tables of the network namespaces, other than ours, in which a process and its children are.
 */
export function tablesNear(pid: number): string[] {
  return otherTables([pid, ...descendants(pid)]);
}

/**
 * The path by which this process can connect to a socket that another one bound to `path`: in a mount
 * namespace of its own that path may lead nowhere here.
 *
 * @param near that process, or one that started it
 */
export function reachablePath(path: string, near: number): string {
  if (isSocket(path)) return path;
  const seen = [near, ...descendants(near)].map((pid) => `/proc/${pid}/root${resolve(path)}`);
  return seen.find(isSocket) ?? path;
}

/**
 * A process that holds the socket which listens on exactly this path; undefined when it cannot be
 * seen, e.g. because it is another user's. For when there is no connection that would tell.
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

/** The tables of the network namespaces, other than ours, that these processes are in. */
function otherTables(pids: readonly number[]): string[] {
  const seen = new Set([readlink("/proc/self/ns/net")]);
  return pids.flatMap((pid) => {
    const namespace = readlink(`/proc/${pid}/ns/net`);
    if (namespace === undefined || seen.has(namespace)) return [];
    seen.add(namespace);
    try {
      return [readFileSync(`/proc/${pid}/net/unix`, "utf8")];
    } catch {
      // It is gone; another one may be in the same namespace.
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
