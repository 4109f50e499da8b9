import {
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import {
  asError,
  EnvironmentError,
  isRecord,
  recordOf,
  systemCode,
} from "../../../core/base/index.ts";
import { ledgerFolder } from "./ledger-folder.ts";
import { type OwnedPath, parseOwnedPath } from "./owned-path.ts";
import { explainFileError } from "./private-file.ts";
import {
  identifySelf,
  isRunning,
  parseIdentity,
  type ProcessIdentity,
} from "../process/process-identity.ts";

/** One run: a process we started and the paths we made for it. */
export interface LedgerRecord {
  /** Small letters, digits and dashes; the file's name. */
  readonly id: string;
  /** The kind of program that was started, for example `qemu`. */
  readonly kind: string;
  /** `starting` until its command has done all it had to do. */
  readonly state: "starting" | "running";
  /**
   * The owner who started it, as `currentOwner` returns it; null in a record of an older version.
   */
  readonly owner: string | null;
  /** The command that wrote this. */
  readonly writer: ProcessIdentity;
  /** The process; null if the record has only paths, or has no process yet. */
  readonly process: ProcessIdentity | null;
  readonly paths: readonly OwnedPath[];
  /** Further details of the kind, which must survive JSON. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** A file in the ledger that cannot be believed. Nothing is done on account of it. */
export interface DamagedRecord {
  readonly file: string;
  readonly reason: string;
}

const formatVersion = 2;
/** The version of records without an owner, whose field `owner` is now `writer`. */
const ownerlessVersion = 1;

/** Is the record's process still the one that we started? Only then it may be signalled. */
export function isOurs(record: LedgerRecord): record is LedgerRecord & {
  readonly process: ProcessIdentity;
} {
  return record.process !== null && isRunning(record.process);
}

/**
 * Records the processes and files of this package, one JSON file per run: the only proof that this
 * package made them.
 */
export class Ledger {
  readonly folder: string;

  /** @throws {EnvironmentError} the folder is not ours alone, or cannot be made */
  static open(environment?: NodeJS.ProcessEnv): Ledger {
    return new Ledger(ledgerFolder(environment));
  }

  private constructor(folder: string) {
    this.folder = folder;
  }

  fileOf(id: string): string {
    return join(this.folder, `${id}.json`);
  }

  /** Writes or replaces the record; a reader sees the old one or the new one, whole. */
  write(record: LedgerRecord): void {
    const text = JSON.stringify({ version: formatVersion, ...record }, null, 2);
    const file = this.fileOf(record.id);
    const temporary = this.temporaryFile(record.id);
    try {
      const fd = openSync(temporary, "wx", 0o600);
      try {
        writeSync(fd, `${text}\n`);
        fsyncSync(fd);
      } finally {
        closeSync(fd);
      }
      renameSync(temporary, file);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw explainFileError(error, file, {
        what: "record of this run",
        option: "the variable XDG_RUNTIME_DIR",
      });
    }
  }

  /** A name for a file of this process that `clean` knows to be left over once we are gone. */
  temporaryFile(name: string): string {
    const { pid, startTime } = identifySelf();
    return join(this.folder, `.${name}.${pid}-${startTime}.tmp`);
  }

  /** @throws {EnvironmentError} the record is damaged */
  read(id: string): LedgerRecord | undefined {
    const found = readRecord(this.fileOf(id), id);
    if (found === undefined || !("reason" in found)) return found;
    throw new EnvironmentError(damageText(found));
  }

  list(): { readonly records: LedgerRecord[]; readonly damaged: DamagedRecord[] } {
    const records: LedgerRecord[] = [];
    const damaged: DamagedRecord[] = [];
    const names = readdirSync(this.folder).filter((name) => /^[^.].*\.json$/.test(name));
    for (const name of names.sort()) {
      const found = readRecord(join(this.folder, name), name.slice(0, -".json".length));
      if (found === undefined) continue;
      if ("reason" in found) damaged.push(found);
      else records.push(found);
    }
    return { records, damaged };
  }

  remove(id: string): void {
    rmSync(this.fileOf(id), { force: true });
  }
}

/** Describes the damage of a record and the remedy. */
export function damageText({ file, reason }: DamagedRecord): string {
  return (
    `the record ${file} is damaged (${reason}); nothing was stopped or removed on account of it: ` +
    `see for yourself what it names, then remove it: rm ${file}`
  );
}

function readRecord(file: string, id: string): LedgerRecord | DamagedRecord | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    return systemCode(error) === "ENOENT" ? undefined : { file, reason: asError(error).message };
  }
  try {
    return parseRecord(JSON.parse(text), id);
  } catch (error) {
    const field = error instanceof TypeError ? `bad field: ${error.message}` : "not whole JSON";
    return { file, reason: text.trim() === "" ? "empty" : field };
  }
}

function parseRecord(value: unknown, id: string): LedgerRecord {
  const fields = recordOf(value);
  const { version, kind, state, paths, details } = fields;
  if (version !== formatVersion && version !== ownerlessVersion) throw new TypeError("version");
  if (fields["id"] !== id) throw new TypeError("id");
  if (typeof kind !== "string" || kind === "") throw new TypeError("kind");
  if (state !== "starting" && state !== "running") throw new TypeError("state");
  if (!Array.isArray(paths)) throw new TypeError("paths");
  if (!isRecord(details)) throw new TypeError("details");
  return {
    id,
    kind,
    state,
    owner: version === ownerlessVersion ? null : parseOwner(fields["owner"]),
    writer: parseIdentity(fields[version === ownerlessVersion ? "owner" : "writer"]),
    process: fields["process"] === null ? null : parseIdentity(fields["process"]),
    paths: paths.map(parseOwnedPath),
    details,
  };
}

/**
 * An older record that was written again stays without one.
 *
 * @throws {TypeError}
 */
function parseOwner(value: unknown): string | null {
  if (value === null || (typeof value === "string" && value !== "")) return value;
  throw new TypeError("owner");
}
