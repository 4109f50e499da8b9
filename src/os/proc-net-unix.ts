import { readFileSync } from "node:fs";

/** `__SO_ACCEPTCON`: the only flag that the kernel ever shows. */
const LISTENING = "00010000";

/** Num: RefCount Protocol Flags Type St Inode Path; a path may contain spaces, and end in one. */
const line = /^[0-9a-f]+: \S+ \S+ (\S+) \S+ \S+ +\d+ (.+)$/i;

/** The paths of listening sockets in a text like that of `/proc/net/unix`. */
export function parseListeningPaths(text: string): Set<string> {
  const paths = new Set<string>();
  for (const row of text.split("\n")) {
    const [, flags, path] = line.exec(row) ?? [];
    if (flags === LISTENING && path !== undefined) paths.add(path);
  }
  return paths;
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
