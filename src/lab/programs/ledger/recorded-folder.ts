import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ledger } from "./ledger.ts";
import { currentOwner } from "./owner.ts";
import { ownPath } from "./owned-path.ts";
import { explainFileError } from "./private-file.ts";
import { identifySelf } from "../process/process-identity.ts";

/** A private temporary folder. */
export interface RecordedFolder {
  readonly path: string;
  /** Removes it with all that is in it. Idempotent. */
  remove(): void;
}

/**
 * Makes a temporary folder and a record of it: if this process is killed, `clean` knows that the
 * folder may go.
 *
 * @param name what it is for; small letters
 * @throws {EnvironmentError} the ledger's folder is not ours alone; no permission or room;
 *   {@link UsageError} TMPDIR is not a folder, or VHOST_USER_OWNER is not a name of an owner
 */
export function makeRecordedFolder(name: string): RecordedFolder {
  const ledger = Ledger.open();
  const path = makeFolder(join(tmpdir(), `vhost-user-${name}-`));
  const id = `${name}-${randomUUID()}`;
  const remove = (): void => {
    rmSync(path, { recursive: true, force: true });
    ledger.remove(id);
  };
  try {
    ledger.write({
      id,
      kind: "test",
      state: "running",
      owner: currentOwner(),
      writer: identifySelf(),
      process: null,
      paths: [ownPath(path, "folder")],
      details: { name },
    });
  } catch (error) {
    remove();
    throw error;
  }
  return { path, remove };
}

function makeFolder(prefix: string): string {
  try {
    return mkdtempSync(prefix);
  } catch (error) {
    const option = "the variable TMPDIR";
    throw explainFileError(error, prefix, { what: "temporary folder", option });
  }
}
