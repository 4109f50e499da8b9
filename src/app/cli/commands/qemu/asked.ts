import { resolve } from "node:path";
import { asError, UsageError } from "../../../../core/base/index.ts";
import {
  currentOwner,
  isOurs,
  type LedgerRecord,
  serverDefaults,
  serverDetails,
  type ServerOptions,
  splitWords,
} from "../../../../lab/programs/index.ts";
import type { CommonOptions } from "../../context.ts";
import { checked } from "../../options.ts";
import { parseSize } from "../../units.ts";

/** The options that say where a server is. */
export interface PlaceOptions extends CommonOptions {
  readonly kind?: ServerOptions["kind"] | undefined;
  readonly socket?: string | undefined;
  readonly pidFile?: string | undefined;
  readonly log?: string | undefined;
  readonly image?: string | undefined;
  readonly json?: true | undefined;
}

/** The options of a server that starts. */
export interface QemuOptions extends PlaceOptions {
  readonly owner?: string | undefined;
  readonly memory?: number | undefined;
  readonly accel?: ServerOptions["accelerator"] | undefined;
  readonly startTimeout: number;
}

/**
 * The options that say where a server is say which one is meant.
 *
 * @throws {UsageError} the one on this socket is another one
 */
export function refuseDifferent(
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
export function refuseOtherOwner(
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

/** Returns the socket of `--socket`, of SOCKET_PATH, or the default. */
export function socketOf({ socket }: PlaceOptions): string {
  return socket ?? variable("SOCKET_PATH") ?? serverDefaults.socket;
}

function variable(name: string): string | undefined {
  return process.env[name] || undefined;
}

/** Returns the settings of the options and the variables, with only the keys that they set. */
export function given(args: readonly string[], options: QemuOptions): Partial<ServerOptions> {
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
    throw new UsageError(`MEMORY_SIZE: ${asError(error).message}`);
  }
}

/** @throws {UsageError} an option does nothing for this kind of server */
export function refuseUseless(kind: ServerOptions["kind"], { memory, accel }: QemuOptions): void {
  if (kind === "net" || (memory === undefined && accel === undefined)) return;
  const option = memory === undefined ? "--accel" : "--memory";
  throw new UsageError(`${option} and --kind block cannot be combined: nothing is emulated`);
}
