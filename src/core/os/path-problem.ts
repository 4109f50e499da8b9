import { accessSync, constants, lstatSync, readlinkSync, statSync, type Stats } from "node:fs";
import { dirname } from "node:path";

/** The reason why a path cannot be used, in words. */
export interface PathProblem {
  /** Names the part of the path that is wrong, e.g. `there is no folder reports`. */
  readonly text: string;
  /** The remedy; undefined if only another path helps, or the caller has a better one. */
  readonly remedy: string | undefined;
  /** True if the folder exists and the path itself does not. */
  readonly isMissing: boolean;
}

/**
 * Examines a path that could not be used, folder by folder, and describes what is wrong with it.
 *
 * @param path as the user wrote it
 * @returns undefined when nothing is wrong with it, or not any more
 */
export function pathProblem(path: string): PathProblem | undefined {
  for (const folder of foldersOf(path)) {
    const stats = look(folder);
    if (stats === undefined) {
      const remedy = `make it first: mkdir -p ${folder}`;
      return { text: `there is no folder ${folder}`, remedy, isMissing: false };
    }
    if (!stats.isDirectory()) {
      return {
        text: `${folder} is ${kindOfStats(stats)} and not a folder`,
        remedy: undefined,
        isMissing: false,
      };
    }
    if (!mayAccess(folder, constants.X_OK)) {
      const text = `no permission to look into the folder ${folder}`;
      return { text, remedy: undefined, isMissing: false };
    }
  }
  return ownProblem(path);
}

/** Describes what is wrong with the path itself, in an existing folder. */
function ownProblem(path: string): PathProblem | undefined {
  const stats = look(path);
  if (stats?.isDirectory()) {
    return { text: "it is a folder", remedy: undefined, isMissing: false };
  }
  if (stats !== undefined) return undefined;
  const target = linkTarget(path);
  return target === undefined
    ? { text: "there is no such file", remedy: undefined, isMissing: true }
    : {
        text: `it is a symbolic link to ${target}, which leads to no file`,
        remedy: undefined,
        isMissing: false,
      };
}

/** Describes the file at a path, for example `a folder`; undefined if there is none. */
export function fileKind(path: string): string | undefined {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats && kindOfStats(stats);
}

function kindOfStats(stats: Stats): string {
  if (stats.isDirectory()) return "a folder";
  if (stats.isFile()) return "a file";
  if (stats.isSymbolicLink()) return "a symbolic link";
  if (stats.isSocket()) return "a socket";
  return stats.isFIFO() ? "a fifo" : "a device";
}

/** Returns the folders of a path from the top down, without the path itself. */
function foldersOf(path: string): string[] {
  const folders: string[] = [];
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    folders.unshift(folder);
    if (folder === dirname(folder)) return folders;
  }
}

/**
 * Examines a path; links are followed. Returns undefined if there is nothing, or it cannot be
 * examined.
 */
function look(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function mayAccess(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
