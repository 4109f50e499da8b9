import { resolve } from "node:path";
import { asError, PeerClosedError, StateError, TimeoutError } from "../../../../core/base/index.ts";
import {
  checkOwner,
  findServer,
  isOurLog,
  isOurs,
  Ledger,
  otherServers,
  restartServer,
  serverDefaults,
  serverDetails,
  type ServerStatus,
  type StartIo,
  startServer,
  statusOfServer,
  stopServer,
  strayPidFile,
} from "../../../../lab/programs/index.ts";
import type { Context } from "../../context.ts";
import {
  given,
  type PlaceOptions,
  type QemuOptions,
  refuseDifferent,
  refuseOtherOwner,
  refuseUseless,
  socketOf,
} from "./asked.ts";
import { describe, documentOf, ms, ownerText, statusLines, stopLines } from "./text.ts";
import { CommandError, ExitCode } from "../../exit-code.ts";

export async function startQemu(
  args: readonly string[],
  options: QemuOptions,
  context: Context,
): Promise<void> {
  const asked = { ...serverDefaults, ...given(args, options), socket: socketOf(options) };
  refuseUseless(asked.kind, options);
  const result = await explained(() =>
    startServer(Ledger.open(), asked, startIo(context, options)),
  );
  report(result.status, options, context, () => {
    if (!result.already) return `started: ${describe(result.status)}, after ${ms(result.readyMs)}`;
    const other =
      result.status.kind === asked.kind ? "" : `, not ${asked.kind} (restart changes that)`;
    return `already running: ${describe(result.status)}${other}${ownerText(result.status)}`;
  });
}

export async function restartQemu(
  args: readonly string[],
  options: QemuOptions,
  context: Context,
): Promise<void> {
  const ledger = Ledger.open();
  const requested = given(args, options);
  const socket = socketOf(options);
  const before = findServer(ledger, socket);
  const kind = requested.kind ?? (before && serverDetails(before).options.kind);
  if (kind !== undefined) refuseUseless(kind, options);
  refuseOtherOwner(before, socket, options);
  const result = await explained(() =>
    restartServer(ledger, socket, requested, startIo(context, options)),
  );
  for (const line of stopLines(result.stopped)) context.output.note(line);
  report(result.status, options, context, () => {
    return `${result.stopped ? "restarted" : "started"}: ${describe(result.status)}, after ${ms(result.readyMs)}`;
  });
}

export async function stopQemu(options: PlaceOptions, context: Context): Promise<void> {
  const { output, signal } = context;
  const ledger = Ledger.open();
  const socket = socketOf(options);
  const found = findServer(ledger, socket);
  refuseDifferent(found, socket, options);
  refuseOtherOwner(found, socket, options);
  const note = (text: string): void => output.note(text);
  const stopped = await explained(() => stopServer(ledger, socket, { signal, note }));
  if (options.json) {
    const { stopped: process, removed = [], left = [], log = null } = stopped ?? {};
    output.json({
      schemaVersion: 1,
      kind: "qemu-stop",
      stopped: process?.pid ?? null,
      forced: stopped?.forced ?? false,
      removed,
      left,
      log,
    });
  } else if (stopped !== undefined) {
    for (const line of stopLines(stopped)) output.print(line);
  } else {
    output.print(`not running: qemu start has started no program on ${socket}`);
  }
  if (stopped === undefined) hints(ledger, socket, options, context);
  // The stop is completed before an interruption ends the command.
  signal.throwIfAborted();
}

export async function qemuStatus(options: PlaceOptions, context: Context): Promise<void> {
  const { output } = context;
  const ledger = Ledger.open();
  const socket = socketOf(options);
  const record = findServer(ledger, socket);
  refuseDifferent(record, socket, options);
  const found = statusOfServer(ledger, socket);
  const status = record === undefined ? { ...found, log: keptLog(options) } : found;
  if (options.json) output.json(documentOf(status));
  else for (const line of statusLines(status)) output.print(line);
  if (status.running) return;
  process.exitCode = ExitCode.Failed;
  if (record?.process && !isOurs(record)) {
    output.note(
      `pid ${record.process.pid} ended without qemu stop; "qemu start" removes its remains and starts it again, "qemu stop" only removes them`,
    );
  } else if (record?.state === "starting") {
    output.note(`a start that has not ended (yet) left a record; "qemu stop" clears it`);
  }
  if (record === undefined) hints(ledger, socket, options, context);
}

/** Reports what else runs: servers on other sockets, and a pid file that names another process. */
function hints(ledger: Ledger, socket: string, options: PlaceOptions, { output }: Context): void {
  const sockets = otherServers(ledger, socket);
  if (sockets.length > 0) output.note(`running on other sockets (--socket): ${sockets.join(", ")}`);
  const { pidFile = serverDefaults.pidFile } = options;
  const isDefaultPlace = socket === serverDefaults.socket;
  if (options.pidFile === undefined && !isDefaultPlace) return;
  let stray: string | undefined;
  try {
    stray = strayPidFile(pidFile);
  } catch (error) {
    stray = asError(error).message;
  }
  if (stray !== undefined) output.note(stray);
}

/** The log that a stopped server left at the path of `--log`. */
function keptLog({ log }: PlaceOptions): string | null {
  if (log === undefined) return null;
  const path = resolve(log);
  try {
    return isOurLog(path) ? path : null;
  } catch {
    // Without a regular file there are no last lines to print.
    return null;
  }
}

function startIo({ output, signal }: Context, { startTimeout, owner }: QemuOptions): StartIo {
  return {
    signal,
    timeoutMs: startTimeout,
    owner: owner === undefined ? undefined : checkOwner(owner, "--owner"),
    note: (text) => output.note(text),
    progress: (text) => output.progress(() => text),
  };
}

/** A program that does not start is a failure, whatever it was that it did not do. */
async function explained<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    const failed =
      error instanceof PeerClosedError ||
      error instanceof TimeoutError ||
      error instanceof StateError;
    if (!failed) throw error;
    throw new CommandError(ExitCode.Failed, error.message, { cause: error });
  }
}

function report(
  status: ServerStatus,
  { json }: PlaceOptions,
  { output }: Context,
  line: () => string,
): void {
  if (json) output.json(documentOf(status));
  else output.print(line());
}
