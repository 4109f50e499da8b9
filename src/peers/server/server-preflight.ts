import { accessSync, constants, statSync } from "node:fs";
import { dirname } from "node:path";
import { UsageError, type WaitOptions } from "../../base/index.ts";
import { judgeKvm } from "../machine/kvm.ts";
import { isOurs, type Ledger } from "../ledger/ledger.ts";
import { clearLog } from "./log-file.ts";
import { clearPidFile } from "../ledger/pid-file.ts";
import { explainFileError, type PathPurpose, statOwn } from "../ledger/private-file.ts";
import type { Accelerator } from "../programs/qemu-options.ts";
import type { ServerOptions } from "./server-options.ts";
import { socketMode } from "./socket-mode.ts";

export interface StartIo extends WaitOptions {
  /** Recorded with what is started; default: {@link currentOwner}. */
  readonly owner?: string | undefined;
  /** Things a person should know; they are no results. */
  readonly note: (text: string) => void;
  /** What it waits for, many times. */
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
    const advice =
      mode === "closed"
        ? `nobody listens on it: rm ${socket}, or choose another path with --socket`
        : "somebody listens on it: stop that program, or choose another path with --socket";
    throw new UsageError(
      `${socket}: expected a free path for the socket, got ${found?.isSocket() === false ? "a file" : "a socket that the ledger does not know"}; ` +
        `it was left alone; ${advice}`,
    );
  }
  requireWritable(dirname(socket), socket);
  for (const record of ledger.list().records) {
    const taken = record.paths.find(({ path }) => path === pidFile || path === log);
    if (taken === undefined || !isOurs(record)) continue;
    throw new UsageError(
      `${taken.path}: it is the ${taken.role} of pid ${record.process.pid}, which runs; choose another path with --${taken.role === "log" ? "log" : "pid-file"}`,
    );
  }
  clearPidFile(pidFile, io.note);
  clearLog(log);
}

function requireImage(image: string): void {
  try {
    accessSync(image, constants.R_OK | constants.W_OK);
    if (statSync(image).isDirectory())
      throw new UsageError(`${image}: expected an image file, got a folder`);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw explainFileError(error, image, imagePurpose);
  }
}

function requireWritable(folder: string, socket: string): void {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw explainFileError(error, socket, socketPurpose);
  }
}

/** What guests run on; why it is not KVM is said. Undefined: no guest. */
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
