import { resolve } from "node:path";
import {
  PeerClosedError,
  StateError,
  TimeoutError,
  UsageError,
} from "../../../../core/base/index.ts";
import {
  checkOwner,
  currentOwner,
  findServer,
  isOurLog,
  isOurs,
  lastLogLines,
  Ledger,
  type LedgerRecord,
  otherServers,
  restartServer,
  serverDefaults,
  serverDetails,
  type ServerOptions,
  type ServerStatus,
  splitWords,
  type StartIo,
  startServer,
  statusOfServer,
  stopServer,
  type StopResult,
  strayPidFile,
} from "../../../../lab/programs/index.ts";
import type { CommonOptions, Context } from "../../context.ts";
import { CommandError, ExitCode } from "../../exit-code.ts";
import { checked } from "../../options.ts";
import { parseSize } from "../../units.ts";

export interface PlaceOptions extends CommonOptions {
  readonly kind?: ServerOptions["kind"] | undefined;
  readonly socket?: string | undefined;
  readonly pidFile?: string | undefined;
  readonly log?: string | undefined;
  readonly image?: string | undefined;
  readonly json?: true | undefined;
}

export interface QemuOptions extends PlaceOptions {
  readonly owner?: string | undefined;
  readonly memory?: number | undefined;
  readonly accel?: ServerOptions["accelerator"] | undefined;
  readonly startTimeout: number;
}

const STATUS_LOG_LINES = 8;

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
    stray = error instanceof Error ? error.message : String(error);
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

/**
 * The options that say where a server is say which one is meant.
 *
 * @throws {UsageError} the one on this socket is another one
 */
function refuseDifferent(
  record: LedgerRecord | undefined,
  socket: string,
  { kind, pidFile, log, image }: PlaceOptions,
): void {
  if (record === undefined) return;
  const known = serverDetails(record).options;
  const facts = [
    ["--kind", kind, known.kind],
    ["--pid-file", pidFile && resolve(pidFile), known.pidFile],
    ["--log", log && resolve(log), known.log],
    ["--image", image && resolve(image), known.image ?? "none"],
  ] as const;
  for (const [option, asked, is] of facts) {
    if (asked === undefined || asked === is) continue;
    throw new UsageError(
      `${option} ${asked} is not that of the server on ${resolve(socket)}, whose is ${is}; ` +
        `leave ${option} out, or name another socket with --socket`,
    );
  }
}

/**
 * Jobs share the default socket.
 *
 * @throws {UsageError} another owner's server is there, and the user has not named it
 */
function refuseOtherOwner(
  record: LedgerRecord | undefined,
  socket: string,
  options: PlaceOptions,
): void {
  if (record === undefined || !isOurs(record) || isNamed(options)) return;
  const owner = currentOwner();
  if (record.owner === owner) return;
  throw new UsageError(
    `pid ${record.process.pid} on ${socket} was started by ${record.owner ?? "an older version"}, not by ${owner}; ` +
      `to stop it nevertheless, name it with --socket ${socket}`,
  );
}

function isNamed({ socket }: PlaceOptions): boolean {
  return (socket ?? variable("SOCKET_PATH")) !== undefined;
}

function socketOf({ socket }: PlaceOptions): string {
  return socket ?? variable("SOCKET_PATH") ?? serverDefaults.socket;
}

function variable(name: string): string | undefined {
  return process.env[name] || undefined;
}

/** Returns the settings of the options and the variables, with only the keys that they set. */
function given(args: readonly string[], options: QemuOptions): Partial<ServerOptions> {
  const fromVariable = variable("QEMU_EXTRA_ARGS");
  const extra =
    args.length === 0 && fromVariable === undefined
      ? undefined
      : [...splitWords(fromVariable ?? ""), ...args];
  const memory = options.memory ?? memoryVariable();
  const all = {
    kind: options.kind,
    pidFile: options.pidFile,
    log: options.log,
    memory,
    accelerator: options.accel,
    image: options.image,
    program: options.kind === "block" ? undefined : variable("QEMU"),
    extraArguments: extra,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function memoryVariable(): number | undefined {
  const text = variable("MEMORY_SIZE");
  if (text === undefined) return undefined;
  try {
    return checked(parseSize)(text);
  } catch (error) {
    throw new UsageError(`MEMORY_SIZE: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function refuseUseless(kind: ServerOptions["kind"], { memory, accel }: QemuOptions): void {
  if (kind === "net" || (memory === undefined && accel === undefined)) return;
  const option = memory === undefined ? "--accel" : "--memory";
  throw new UsageError(`${option} and --kind block cannot be combined: nothing is emulated`);
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

/** `kind` is that of the document: what the server is goes by another name. */
function documentOf({ kind: server, ...status }: ServerStatus) {
  return { schemaVersion: 1, kind: "qemu", server, ...status } as const;
}

function describe({ kind, pid, accelerator, socket, log }: ServerStatus): string {
  const what = kind === "net" ? `QEMU (net, ${accelerator})` : "qemu-storage-daemon (block)";
  return `${what}, pid ${pid}, listens on ${socket}, log ${log}`;
}

/** Names the other owner who started it. */
function ownerText({ owner }: ServerStatus): string {
  return owner === currentOwner() ? "" : `, started by ${owner ?? "an older version"}`;
}

function statusLines(status: ServerStatus): string[] {
  const { running, kind, pid, accelerator, socket, mode, log, commandLine, owner } = status;
  const lines = log === null ? [] : lastLogLines(log, STATUS_LOG_LINES);
  const tail = log === null ? [] : [`log       ${log}`, ...lines.map((line) => `  ${line}`)];
  if (!running) return [`not running (socket ${socket})`, ...tail];
  return [
    `running   ${kind}, pid ${pid}`,
    `socket    ${socket} (${mode})`,
    `owner     ${owner ?? "unknown: an older version started it"}`,
    ...(accelerator === null ? [] : [`accelerator ${accelerator}`]),
    `command   ${commandLine}`,
    ...tail,
  ];
}

function stopLines(stopped: StopResult | undefined): string[] {
  if (stopped === undefined) return [];
  const { stopped: process, forced, removed, left, log } = stopped;
  const how = forced ? " (by SIGKILL, it did not end by SIGTERM)" : "";
  return [
    process === undefined
      ? "it did not run any more; what it left was cleared"
      : `stopped: pid ${process.pid}${how}`,
    ...(removed.length === 0 ? [] : [`removed: ${removed.join(", ")}`]),
    ...left.map(({ path, reason }) => `left alone: ${path}: ${reason}`),
    `the log stays: ${log}`,
  ];
}

function ms(value: number): string {
  return `${Math.round(value)} ms`;
}
