import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { EnvironmentError, systemCode, UsageError } from "../../core/base/index.ts";
import { fileKind, pathProblem, type PathProblem } from "../../core/os/index.ts";

/** Permissions, room, limits: what the machine lacks. */
const LACKING = new Set(["EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "EMFILE", "ENFILE"]);
/** The remedy for a lack other than that of a permission, by the code of the error. */
const REMEDY: Readonly<Record<string, string>> = {
  EROFS: "name a path on a file system that can be written",
  ENOSPC: "make room, or name another path",
  EDQUOT: "make room, or name another path",
  EMFILE: "raise the limit of open files (ulimit -n)",
  ENFILE: "raise the limit of open files of the system (sysctl fs.file-max)",
};
/** The path itself, or a folder on the way to it. */
const WRONG_PATH = new Set([
  "ENOENT",
  "ENOTDIR",
  "EISDIR",
  "EEXIST",
  "ELOOP",
  "ENAMETOOLONG",
  "ENXIO",
]);

/**
 * Runs `use` on a file that the user named; a system error becomes an error about that file.
 *
 * @param path as the user wrote it
 * @param role what the file is used as, e.g. `an image`
 * @param remedy what to do when there is no such file
 * @throws {UsageError | EnvironmentError}
 */
export function withUserFile<T>(path: string, role: string, remedy: string, use: () => T): T {
  try {
    return use();
  } catch (error) {
    if (!(error instanceof Error && "code" in error && "syscall" in error)) throw error;
    throw explained(path, role, remedy, error);
  }
}

function explained(path: string, role: string, remedy: string, error: Error): Error {
  const code = systemCode(error) ?? "";
  const options = { cause: error };
  const problem = pathProblem(path);
  if (WRONG_PATH.has(code)) {
    const text = problem?.text ?? `it is ${fileKind(path) ?? "gone"}`;
    const advice = problem?.isMissing === true ? remedy : (problem?.remedy ?? "name another path");
    return new UsageError(`${path} cannot be used as ${role}: ${text}; ${advice}`, options);
  }
  if (!LACKING.has(code)) return error;
  return new EnvironmentError(
    `${path} cannot be used as ${role}: ${lackText(path, code, error.message, problem)} (${code}); ` +
      (REMEDY[code] ?? "get the permission, or name another path"),
    options,
  );
}

function lackText(
  path: string,
  code: string,
  message: string,
  problem: PathProblem | undefined,
): string {
  if (code !== "EACCES" && code !== "EPERM") return message;
  if (problem?.isMissing === true) return `no permission to make a file in ${dirname(path)}`;
  return problem?.text ?? "permission denied";
}

/**
 * Makes a file that the user named.
 *
 * @param overwrite whether it may exist already
 * @param make makes it with this flag of open
 * @throws {UsageError | EnvironmentError}
 */
export function makeUserFile<T>(
  path: string,
  overwrite: boolean,
  make: (flag: "w" | "wx") => T,
): T {
  return withUserFile(path, "an output file", "choose another path", () => {
    try {
      return make(overwrite ? "w" : "wx");
    } catch (error) {
      if (systemCode(error) !== "EEXIST") throw error;
      const kind = fileKind(path);
      const isFile = kind === "a file";
      const what = isFile || kind === undefined ? "" : ` and is ${kind}`;
      const advice = `choose another path${isFile ? " or add --force" : ""}`;
      throw new UsageError(`${path} already exists${what}; it was not changed: ${advice}`, {
        cause: error,
      });
    }
  });
}

/**
 * Writes a file that the user named.
 *
 * @throws {UsageError | EnvironmentError}
 */
export function saveUserFile(path: string, content: string | Uint8Array, overwrite: boolean): void {
  makeUserFile(path, overwrite, (flag) => writeFileSync(path, content, { flag }));
}

/**
 * Makes a folder that the user named, and those above it.
 *
 * @throws {UsageError | EnvironmentError}
 */
export function makeUserFolder(path: string): void {
  withUserFile(path, "an output folder", "choose another path", () => makeFolder(path));
}

/** One after another: below /proc, Node's `recursive` tries for ever. */
function makeFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  const above = dirname(path);
  if (above !== path) makeFolder(above);
  mkdirSync(path);
}
