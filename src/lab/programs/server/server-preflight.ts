import { accessSync, constants, statSync } from "node:fs";
import { dirname } from "node:path";
import {
  EnvironmentError,
  systemCode,
  UsageError,
  type WaitOptions,
} from "../../../core/base/index.ts";
import { judgeKvm } from "../machine/kvm.ts";
import { isOurs, type Ledger } from "../ledger/ledger.ts";
import { checkLog, clearLog, logPurpose } from "./log-file.ts";
import { clearPidFile, findStalePidFile, pidFilePurpose } from "../ledger/pid-file.ts";
import { explainFileError, type PathPurpose, statOwn } from "../ledger/private-file.ts";
import { fileKind, pathProblem } from "../../../core/os/path-problem.ts";
import type { Accelerator } from "../known/qemu-options.ts";
import { missingProgramMessage, resolveProgram } from "../process/programs.ts";
import { type ServerOptions, serverProgram } from "./server-options.ts";
import { socketMode } from "./socket-mode.ts";

export interface StartIo extends WaitOptions {
  /** Recorded with what is started; default: {@link currentOwner}. */
  readonly owner?: string | undefined;
  /** Lines that a person should know about; they are not results. */
  readonly note: (text: string) => void;
  /** Called repeatedly with the condition that the start waits for. */
  readonly progress?: (text: string) => void;
}

export const imagePurpose: PathPurpose = { what: "disk image", option: "--image" };
const socketPurpose: PathPurpose = { what: "socket", option: "--socket" };

/**
 * Looks at all paths while nothing is made yet and nothing has to be undone; removes a pid file and
 * a log that an earlier run of ours left.
 *
 * @throws {UsageError} {@link EnvironmentError} what is in the way, and the remedy
 */
export function clearWay(
  ledger: Ledger,
  { socket, pidFile, log, image }: ServerOptions,
  io: StartIo,
): void {
  if (image !== undefined) requireImage(image);
  const mode = socketMode(socket);
  const found = statOwn(socket, socketPurpose);
  if (found !== undefined || mode !== "closed") {
    const isSocket = found?.isSocket() !== false;
    const kind = isSocket ? "a socket that the ledger does not know" : fileKind(socket);
    const advice =
      mode !== "closed"
        ? "a program listens on it: stop that program, or "
        : isSocket
          ? `no program listens on it: rm ${socket}, or `
          : "";
    throw new UsageError(
      `${socket}: is not free for the socket: it is ${kind}; ` +
        `it was left alone; ${advice}choose another path with --socket`,
    );
  }
  requireWritable(socket, socketPurpose);
  refuseTaken(ledger, [pidFile, log]);
  clearPidFile(pidFile, io.note);
  clearLog(log);
}

/** @throws {UsageError} one of the paths belongs to a server that runs */
function refuseTaken(ledger: Ledger, paths: readonly string[]): void {
  for (const record of ledger.list().records) {
    const taken = record.paths.find(({ path }) => paths.includes(path));
    if (taken === undefined || !isOurs(record)) continue;
    throw new UsageError(
      `${taken.path}: it is the ${taken.role} of pid ${record.process.pid}, which runs; choose another path with --${taken.role === "log" ? "log" : "pid-file"}`,
    );
  }
}

/**
 * Looks at what a start needs while nothing is made or stopped: program, image, folders, and pid file
 * and log that are not `owned` by the server that is to be stopped first.
 *
 * @throws {UsageError} {@link EnvironmentError} what is missing or in the way, and the remedy
 */
export function checkNeeds(ledger: Ledger, options: ServerOptions, owned: readonly string[]): void {
  const { image, socket, pidFile, log } = options;
  requireServerProgram(options);
  if (image !== undefined) requireImage(image);
  requireWritable(socket, socketPurpose);
  requireWritable(pidFile, pidFilePurpose);
  requireWritable(log, logPurpose);
  const free = [pidFile, log].filter((path) => !owned.includes(path));
  refuseTaken(ledger, free);
  if (free.includes(log)) checkLog(log);
  const stale = free.includes(pidFile) ? findStalePidFile(pidFile) : undefined;
  if (typeof stale === "string") throw new UsageError(stale);
}

/**
 * The program's path.
 *
 * @throws {EnvironmentError} it is missing
 */
export function requireServerProgram(options: ServerOptions): string {
  const program = serverProgram(options);
  const path = resolveProgram(program);
  if (path === undefined) throw new EnvironmentError(missingProgramMessage(program));
  return path;
}

/** Checks an image that the user named. */
function requireImage(image: string): void {
  const problem = pathProblem(image);
  if (problem !== undefined) {
    const remedy = problem.isMissing ? `make it first: truncate -s 64M ${image}` : problem.remedy;
    throw new UsageError(
      `${image}: cannot be used as disk image: ${problem.text}; ` +
        `${remedy === undefined ? "" : `${remedy}, or `}name another with --image`,
    );
  }
  const stats = statSync(image);
  if (!stats.isFile() && !stats.isBlockDevice()) {
    throw new UsageError(
      `${image}: cannot be used as disk image: it is ${fileKind(image)}; name a file or a block device with --image`,
    );
  }
  try {
    accessSync(image, constants.R_OK | constants.W_OK);
  } catch (error) {
    const code = systemCode(error);
    throw new EnvironmentError(
      `${image}: no permission to read and write the disk image (${code}); ` +
        `let its owner give you the permission, or name another with --image`,
      { cause: error },
    );
  }
}

function requireWritable(path: string, purpose: PathPurpose): void {
  try {
    // By its ".", as for a file in its place access(2) says EACCES and not ENOTDIR.
    accessSync(`${dirname(path)}/.`, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw explainFileError(error, path, purpose);
  }
}

/**
 * Returns the accelerator for guests, and reports the reason if it is not KVM. Returns undefined if
 * the program runs no guest.
 */
export async function chooseAccelerator(
  ledger: Ledger,
  { kind, accelerator }: ServerOptions,
  program: string,
  io: StartIo,
): Promise<Accelerator | undefined> {
  if (kind === "block") return undefined;
  if (accelerator === "tcg") return "tcg";
  io.progress?.("trying whether KVM is usable");
  const { usable, reason } = await judgeKvm(ledger, program, { signal: io.signal });
  if (usable) return "kvm";
  if (accelerator === "kvm") {
    io.note(`KVM is not usable here, and used because of --accel kvm: ${reason}`);
    return "kvm";
  }
  io.note(`KVM is not usable, falling back to TCG: ${reason}`);
  return "tcg";
}
