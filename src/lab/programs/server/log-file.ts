import { closeSync, fstatSync, openSync, readSync, rmSync } from "node:fs";
import { constants } from "node:fs";
import { stripVTControlCharacters } from "node:util";
import { UsageError } from "../../../core/base/index.ts";
import { fileKind } from "../../../core/os/path-problem.ts";
import { statOwn, type PathPurpose } from "../ledger/private-file.ts";

export const logPurpose: PathPurpose = { what: "log", option: "--log" };

/** The first line of a log, by which a later run sees that it may replace the log. */
const firstLine = "# log of vhost-user qemu";
/** The second line, where there is an owner. */
const ownerPrefix = "# owner ";
const tailBytes = 16 * 1024;
/** First line and owner. */
const headBytes = 8 * 1024;

export function logHeader(commandLine: string, owner: string | null): string {
  const ownerLine = owner === null ? "" : `${ownerPrefix}${owner}\n`;
  return `${firstLine}\n${ownerLine}# ${new Date().toISOString()} ${commandLine}\n`;
}

/**
 * Makes the way free for a new log: one that an earlier run of ours left is removed.
 *
 * @throws {UsageError} the file is not a log of ours
 */
export function clearLog(path: string): void {
  if (checkLog(path)) rmSync(path);
}

/**
 * Returns whether a log of an earlier run of ours is in the way.
 *
 * @throws {UsageError} as {@link clearLog}
 */
export function checkLog(path: string): boolean {
  const found = statOwn(path, logPurpose);
  if (found === undefined) return false;
  if (found.isFile() && isOurLog(path)) return true;
  const kind = fileKind(path) ?? "gone again";
  throw new UsageError(
    `${path}: is not free for the log: it is ${kind} and not a log of ours; it was left alone; ` +
      `remove it yourself, or choose another path with --log`,
  );
}

/** Does the file begin as {@link logHeader} does? */
export function isOurLog(path: string): boolean {
  return readPart(path, 0, firstLine.length + 1) === `${firstLine}\n`;
}

/** Returns the owner of the program of a log of this package; null if the log does not name it. */
export function logOwner(path: string): string | null {
  const [, second = ""] = readPart(path, 0, headBytes).split("\n");
  return second.startsWith(ownerPrefix) ? second.slice(ownerPrefix.length) : null;
}

/** The last lines of what the program printed, without terminal control sequences. */
export function lastLogLines(path: string, count: number): string[] {
  try {
    return stripVTControlCharacters(readPart(path, -tailBytes, tailBytes))
      .split("\n")
      .map((line) => line.replace(/(?!\t)\p{Cc}/gu, ""))
      .filter((line) => line.trim() !== "" && !line.startsWith("# "))
      .slice(-count);
  } catch {
    return [];
  }
}

/** `from` may be negative: counted from the end. */
function readPart(path: string, from: number, length: number): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const bytes = Buffer.alloc(length);
    const position = from < 0 ? Math.max(0, fstatSync(fd).size + from) : from;
    return bytes.toString("utf8", 0, readSync(fd, bytes, 0, length, position));
  } finally {
    closeSync(fd);
  }
}
