import { resolve } from "node:path";
import { isOurs, type Ledger, type LedgerRecord } from "../ledger/ledger.ts";
import { lockLedger } from "../ledger/ledger-lock.ts";
import { findStalePidFile } from "../ledger/pid-file.ts";
import { retire, type Retirement } from "./retire.ts";
import {
  checkServerOptions,
  serverDefaults,
  serverId,
  type ServerOptions,
} from "./server-options.ts";
import {
  serverDetails,
  serverRecordKind,
  serverStatus,
  type ServerStatus,
} from "./server-record.ts";
import { checkNeeds, type StartIo } from "./server-preflight.ts";
import { startServer, type StartResult } from "./server-start.ts";

export interface StopResult extends Retirement {
  readonly kind: ServerOptions["kind"];
  /** The log, which stays so that users can read it. */
  readonly log: string;
}

/**
 * The record of the server on this socket.
 *
 * @throws {EnvironmentError} it is damaged
 */
export function findServer(ledger: Ledger, socket: string): LedgerRecord | undefined {
  return ledger.read(serverId(socket));
}

export function statusOfServer(ledger: Ledger, socket: string): ServerStatus {
  return serverStatus(resolve(socket), findServer(ledger, socket));
}

/** Sockets of the servers that run, without this one. */
export function otherServers(ledger: Ledger, socket: string): string[] {
  return ledger
    .list()
    .records.filter((record) => record.kind === serverRecordKind && isOurs(record))
    .map((record) => serverDetails(record).options.socket)
    .filter((other) => other !== resolve(socket));
}

/**
 * Stops the server on this socket and waits for its end; what it left is removed, but the log.
 * Once begun it is not interrupted.
 *
 * @returns undefined when the ledger knows of none
 */
export async function stopServer(
  ledger: Ledger,
  socket: string,
  io: Pick<StartIo, "signal" | "note">,
): Promise<StopResult | undefined> {
  using _lock = await lockLedger(ledger, serverId(socket), {
    signal: io.signal,
    onWait: (holder) =>
      io.note(`another command is at work on ${resolve(socket)}: ${holder}; waiting`),
  });
  const record = findServer(ledger, socket);
  if (record === undefined) return undefined;
  const { kind, log } = serverDetails(record).options;
  return { ...(await retire(ledger, record, { keep: ["log"] })), kind, log };
}

/** Stops and starts the server; options that are left out stay as they were. */
export async function restartServer(
  ledger: Ledger,
  socket: string,
  given: Partial<ServerOptions>,
  io: StartIo,
): Promise<StartResult & { readonly stopped: StopResult | undefined }> {
  const before = findServer(ledger, socket);
  const known = before === undefined ? serverDefaults : serverDetails(before).options;
  const kind = given.kind ?? known.kind;
  const options = {
    ...known,
    // What belongs to the other kind cannot be kept.
    ...(kind === known.kind ? {} : { program: undefined, image: undefined, extraArguments: [] }),
    ...given,
    socket,
  };
  // Before anything is stopped: a restart that cannot be should change nothing.
  const owned = before === undefined ? [] : [known.log, known.pidFile];
  checkNeeds(ledger, checkServerOptions(options), owned);
  const stopped = await stopServer(ledger, socket, io);
  io.signal?.throwIfAborted();
  return { ...(await startServer(ledger, options, io)), stopped };
}

/** Explains a pid file without a record in the ledger; undefined if there is no such file. */
export function strayPidFile(pidFile: string): string | undefined {
  const found = findStalePidFile(resolve(pidFile));
  if (found === undefined || typeof found === "string") return found;
  return `${pidFile}: left by pid ${found.process.pid}, which is gone; vhost-user clean, or the next start, removes it`;
}
