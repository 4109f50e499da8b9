import { isOurs, type LedgerRecord } from "../ledger/ledger.ts";
import type { Accelerator } from "../known/qemu-options.ts";
import { type ServerKind, type ServerOptions, shellWords } from "./server-options.ts";
import { type SocketMode, socketMode } from "./socket-mode.ts";

/** The kind of the ledger's entries for servers. */
export const serverRecordKind = "qemu";

/** The details that the ledger keeps of a server besides its process and paths. */
export interface ServerDetails {
  /** The options of the start, for `restart`. */
  readonly options: ServerOptions;
  readonly accelerator: Accelerator | null;
  readonly command: readonly string[];
}

export interface ServerStatus {
  readonly running: boolean;
  readonly pid: number | null;
  /** The owner who started it; null if an older version recorded none, or nothing runs. */
  readonly owner: string | null;
  readonly kind: ServerKind | null;
  /** The accelerator; null if no guest is emulated (block), or nothing runs. */
  readonly accelerator: Accelerator | null;
  readonly socket: string;
  /** The mode of the socket; null if nothing runs. */
  readonly mode: SocketMode | null;
  readonly log: string | null;
  /** Words as for a shell. */
  readonly commandLine: string | null;
}

export function serverDetails(record: LedgerRecord): ServerDetails {
  // Written by us only, into a folder that is ours alone.
  return record.details as unknown as ServerDetails;
}

export function serverStatus(socket: string, record: LedgerRecord | undefined): ServerStatus {
  if (record === undefined || !isOurs(record)) {
    const log = record === undefined ? null : serverDetails(record).options.log;
    return {
      running: false,
      pid: null,
      owner: null,
      kind: null,
      accelerator: null,
      socket,
      mode: null,
      log,
      commandLine: null,
    };
  }
  const { options, accelerator, command } = serverDetails(record);
  return {
    running: true,
    pid: record.process.pid,
    owner: record.owner,
    kind: options.kind,
    accelerator,
    socket,
    mode: socketMode(socket, record.process.pid),
    log: options.log,
    commandLine: shellWords(command),
  };
}
