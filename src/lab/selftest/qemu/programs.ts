import { readlinkSync } from "node:fs";
import { basename, join } from "node:path";
import {
  findProgram,
  knownPrograms,
  type ManagedProcess,
  type ProgramName,
  type QemuNetOptions,
  startQemuNet,
  startStorageDaemon,
} from "../../programs/index.ts";
import { BlockStorage } from "../../../endpoints/storage/index.ts";
import type { TestContext } from "../context.ts";
import { CaseSkip } from "../../engine/index.ts";
import { expectEqual } from "../expect.ts";
import { closeSync, ftruncateSync, openSync } from "node:fs";

export const DISK_BYTES = 8 << 20;

/** @throws {CaseSkip} the program is missing; an error where programs are required */
export function needProgram({ options }: TestContext, name: ProgramName): void {
  if (findProgram(name) !== undefined) return;
  const { debianPackage } = knownPrograms[name];
  const message = `${name} not found; install it with: sudo apt-get install -y ${debianPackage}`;
  throw options.requirePrograms ? new Error(message) : new CaseSkip(message);
}

/** QEMU with a vhost-user network card, listening: a front-end. */
export async function startQemu(
  context: TestContext,
  more: Pick<QemuNetOptions, "netOptions" | "bootRom"> = {},
): Promise<{ socket: string; qemu: ManagedProcess }> {
  needProgram(context, "qemu-system-x86_64");
  const socket = join(context.folder, "qemu.sock");
  const qemu = await startQemuNet({ socketPath: socket, signal: context.signal, ...more });
  context.defer(async () => qemu.kill());
  expectProgram(qemu, /^qemu-system/);
  return { socket, qemu };
}

/** QEMU's own block back-end on a fresh image. */
export async function startDaemon(context: TestContext): Promise<{
  socket: string;
  image: string;
  daemon: ManagedProcess;
}> {
  needProgram(context, "qemu-storage-daemon");
  const image = join(context.folder, "disk.img");
  const file = openSync(image, "w");
  ftruncateSync(file, DISK_BYTES);
  closeSync(file);
  const socket = join(context.folder, "daemon.sock");
  const daemon = await startStorageDaemon({
    socketPath: socket,
    imagePath: image,
    signal: context.signal,
  });
  context.defer(async () => daemon.stop());
  expectProgram(daemon, /^qemu-storage-daemon/);
  return { socket, image, daemon };
}

/** Checks that the real program runs, and not another one with its name in the arguments. */
function expectProgram({ pid }: ManagedProcess, name: RegExp): void {
  const program = basename(readlinkSync(`/proc/${pid}/exe`));
  if (!name.test(program)) expectEqual(`program of pid ${pid}`, program, name.source);
}

/** A disk in memory for the built-in back-end. */
export function memoryDisk(context: TestContext): BlockStorage {
  const storage = BlockStorage.memory(DISK_BYTES);
  context.defer(() => storage.close());
  return storage;
}
