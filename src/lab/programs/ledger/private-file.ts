import { constants, lstatSync, openSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import { EnvironmentError, systemCode, UsageError } from "../../../core/base/index.ts";
import { pathProblem } from "../../../core/os/path-problem.ts";
import { effectiveUserId } from "../../../core/os/process-name.ts";

/** Describes a path in messages: its purpose, and the way to choose another one. */
export interface PathPurpose {
  readonly what: string;
  /** E.g. `--log`. */
  readonly option: string;
}

/**
 * Returns the state of the file at the path; undefined where there is none. A symbolic link and another
 * user's file are refused: in /tmp another user may have put them there for us.
 *
 * @throws {UsageError} it is one of these; {@link EnvironmentError} it cannot be read
 */
export function statOwn(path: string, { what, option }: PathPurpose): Stats | undefined {
  let found: Stats | undefined;
  try {
    found = lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw explainFileError(error, path, { what, option });
  }
  if (found === undefined) return undefined;
  const kind = found.isSymbolicLink() ? "a symbolic link" : "a file";
  if (found.uid !== effectiveUserId()) {
    throw new UsageError(
      `${path}: refused as ${what}: it is ${kind} of another user (uid ${found.uid}); ` +
        `it was left alone; choose another path with ${option}`,
    );
  }
  if (found.isSymbolicLink()) {
    throw new UsageError(
      `${path}: refused as ${what}: it is a symbolic link; it was left alone; ` +
        `remove it yourself, or choose another path with ${option}`,
    );
  }
  return found;
}

/**
 * Creates a file for us alone and opens it for appending. A path that exists is an error.
 *
 * @throws {UsageError} {@link EnvironmentError} with the remedy
 */
export function createPrivateFile(path: string, purpose: PathPurpose): number {
  const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDWR, O_APPEND } = constants;
  try {
    return openSync(path, O_CREAT | O_EXCL | O_NOFOLLOW | O_RDWR | O_APPEND, 0o600);
  } catch (error) {
    throw explainFileError(error, path, purpose);
  }
}

/** Explains the failure to create a file, with the remedy. */
export function explainFileError(
  error: unknown,
  path: string,
  { what, option }: PathPurpose,
): unknown {
  const code = systemCode(error) ?? "";
  const options = { cause: error };
  const folder = dirname(path);
  const problem = pathProblem(path);
  switch (code) {
    case "EACCES":
    case "EPERM":
    case "EROFS":
      if (problem !== undefined && !problem.isMissing) {
        return new EnvironmentError(
          `${path}: refused as ${what}: ${problem.text} (${code}); choose another path with ${option}`,
          options,
        );
      }
      return new EnvironmentError(
        `${path}: no permission to make the ${what} in ${folder} (${code}); ` +
          `choose another path with ${option}, or let the owner of ${folder} give you the permission`,
        options,
      );
    case "ENOSPC":
    case "EDQUOT":
      return new EnvironmentError(
        `${path}: no space left for the ${what} (${code}); ` +
          `make room (df -h ${folder}), or choose another path with ${option}`,
        options,
      );
    case "ENOENT":
    case "ENOTDIR":
      return new UsageError(
        `${path}: refused as ${what}: ${problem?.text ?? `there is no folder ${folder}`}; ` +
          `${problem?.remedy === undefined ? "" : `${problem.remedy}, or `}choose another path with ${option}`,
        options,
      );
    case "EEXIST":
    case "ELOOP":
      return new UsageError(
        `${path}: is not free for the ${what}: another process made a file there just now; ` +
          `choose another path with ${option}`,
        options,
      );
    default:
      return error;
  }
}
