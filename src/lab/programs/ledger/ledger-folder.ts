import { lstatSync, mkdirSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { EnvironmentError, systemCode } from "../../../core/base/index.ts";
import { effectiveUserId } from "../../../core/os/process-name.ts";
import { explainFileError } from "./private-file.ts";

const purpose = { what: "ledger of what runs", option: "the variable XDG_RUNTIME_DIR" };

/**
 * The folder of the ledger, made when it is missing: `vhost-user` in `$XDG_RUNTIME_DIR`, where that
 * is a folder of ours, else one with our user id in its name in `temporary`.
 *
 * @throws {EnvironmentError} the path is not a folder that is ours alone
 */
export function ledgerFolder(
  environment: NodeJS.ProcessEnv = process.env,
  temporary = "/tmp",
): string {
  const runtime = environment["XDG_RUNTIME_DIR"] ?? "";
  const folder =
    isAbsolute(runtime) && isOwnFolder(runtime)
      ? join(runtime, "vhost-user")
      : join(temporary, `vhost-user-${effectiveUserId()}`);
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    if (systemCode(error) !== "EEXIST") {
      throw explainFileError(error, folder, purpose);
    }
  }
  const found = lstatSync(folder);
  const problem = found.isSymbolicLink()
    ? "a symbolic link"
    : !found.isDirectory()
      ? "not a folder"
      : found.uid !== effectiveUserId()
        ? `a folder of another user (uid ${found.uid})`
        : (found.mode & 0o077) !== 0
          ? `open to other users (mode ${(found.mode & 0o777).toString(8)})`
          : undefined;
  if (problem === undefined) return folder;
  throw new EnvironmentError(
    `${folder}: refused as ${purpose.what}: it is ${problem}; it was left alone: ` +
      `remove it yourself, or set XDG_RUNTIME_DIR to a folder of yours`,
  );
}

function isOwnFolder(path: string): boolean {
  try {
    const found = lstatSync(path);
    return found.isDirectory() && found.uid === effectiveUserId();
  } catch {
    return false;
  }
}
