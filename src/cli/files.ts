import { writeFileSync } from "node:fs";
import { EnvironmentError, UsageError } from "../base/index.ts";

/** Permissions, room, limits: what the machine lacks. */
const LACKING = new Set(["EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "EMFILE", "ENFILE"]);

/**
 * Works on a file that the user named, and makes the system's complaint one about that file.
 *
 * @param path as the user wrote it
 * @param expected what it should be, e.g. `an image`
 * @param remedy what to do when there is no such file
 * @throws {UsageError | EnvironmentError}
 */
export function withUserFile<T>(path: string, expected: string, remedy: string, use: () => T): T {
  try {
    return use();
  } catch (error) {
    if (!(error instanceof Error && "code" in error && "syscall" in error)) throw error;
    const options = { cause: error };
    const code = String(error.code);
    if (code === "ENOENT") {
      throw new UsageError(
        `${path}: expected ${expected}, there is no such file; ${remedy}`,
        options,
      );
    }
    if (code === "EISDIR" || code === "ENOTDIR") {
      throw new UsageError(
        `${path}: expected ${expected}, got a path of a folder; ${remedy}`,
        options,
      );
    }
    if (!LACKING.has(code)) throw error;
    const missing = code === "EACCES" || code === "EPERM" ? "permission denied" : error.message;
    throw new EnvironmentError(`${path}: expected ${expected}, ${missing} (${code})`, options);
  }
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
  return withUserFile(path, "a file to write", "choose another path", () => {
    try {
      return make(overwrite ? "w" : "wx");
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
      throw new UsageError(
        `${path}: expected a file that does not exist yet; it was left alone: choose another or add --force`,
        { cause: error },
      );
    }
  });
}

/** Writes a file that the user named. @throws as {@link makeUserFile} */
export function saveUserFile(path: string, content: string | Uint8Array, overwrite: boolean): void {
  makeUserFile(path, overwrite, (flag) => writeFileSync(path, content, { flag }));
}
