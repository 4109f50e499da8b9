import { spawnSync } from "node:child_process";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { delay, EnvironmentError, UsageError, type WaitOptions } from "../../../core/base/index.ts";
import { type GuestResult, readResult, waitForEnd } from "./guest.ts";
import { buildInitramfs } from "./initramfs.ts";
import { type GuestKernel, newestVersion } from "./kernel.ts";
import { ManagedProcess } from "../process/managed-process.ts";
import { requireProgram, resolveProgram } from "../process/programs.ts";

/**
 * Milliseconds that a process may run after its kernel has halted, and the longest wait for the
 * halt.
 */
const HALTED_MS = 5000;
const WATCH_MS = 2 ** 31 - 1;

const modulesRoot = "/usr/lib/uml/modules";

export interface UmlOptions extends WaitOptions {
  /** The socket path of a vhost-user back-end. */
  readonly socketPath: string;
  /** Virtio device id: 1 network, 2 block, 26 file system. */
  readonly deviceId: number;
  /** Shell script (busybox); its standard output and error and its exit code are the result. */
  readonly script: string;
  /** Kernel modules that drive the device; default: by the device id. */
  readonly modules?: readonly string[] | undefined;
  /** Default 128. */
  readonly memoryMiB?: number | undefined;
}

/** The driver of the bus, virtio_uml, is part of the kernel. */
const modulesOf: Readonly<Record<number, readonly string[]>> = {
  1: ["virtio_net"],
  2: ["virtio_blk"],
  26: ["virtiofs"],
};

/**
 * User Mode Linux and its modules.
 *
 * @throws {EnvironmentError} it is not installed
 */
export function findUmlKernel(root: string = modulesRoot): GuestKernel {
  const imagePath = requireProgram("linux.uml");
  let versions: readonly string[];
  try {
    versions = readdirSync(root);
  } catch (cause) {
    throw new EnvironmentError(
      `no modules of ${imagePath} in ${root}; install the package of the kernel again`,
      { cause },
    );
  }
  const version = newestVersion(versions);
  if (version === undefined) {
    throw new EnvironmentError(
      `no modules of ${imagePath} in ${root}: the folder is empty; install the package of the kernel again`,
    );
  }
  return { version, imagePath, modulesDirectory: join(root, version) };
}

/** Command line of a User Mode Linux whose only device is the back-end's. */
export function umlArguments(
  options: Pick<UmlOptions, "socketPath" | "deviceId" | "memoryMiB">,
  directory: string,
): string[] {
  // It is cut at the first colon and at blanks.
  if (/[\s:]/.test(options.socketPath)) {
    throw new UsageError(
      `User Mode Linux cannot take a socket path with a colon or a blank: ${options.socketPath}; choose another path`,
    );
  }
  return [
    `mem=${options.memoryMiB ?? 128}M`,
    `initrd=${join(directory, "initramfs")}`,
    "rdinit=/init",
    // The kernel's messages go to standard output, the second serial line to descriptor 3.
    "con0=null,fd:1",
    "con=null",
    "ssl=null",
    "ssl1=null,fd:3",
    // Its run-time files, else in the home folder.
    `uml_dir=${directory}/`,
    `virtio_uml.device=${options.socketPath}:${options.deviceId}`,
    "quiet",
    "panic=-1",
  ];
}

/**
 * Boots User Mode Linux, a Linux kernel that is an ordinary program, with the back-end's device,
 * runs the script, powers off. Neither QEMU nor KVM takes part.
 *
 * @throws {EnvironmentError} User Mode Linux or busybox is missing; else as `bootLinux`
 */
export async function bootUml(options: UmlOptions): Promise<GuestResult> {
  const kernel = findUmlKernel();
  const directory = mkdtempSync(join(tmpdir(), "vhost-user-uml-"));
  const resultPath = join(directory, "result");
  try {
    const modules = options.modules ?? modulesOf[options.deviceId] ?? [];
    const initramfs = buildInitramfs({ script: options.script, modules, kernel });
    writeFileSync(join(directory, "initramfs"), initramfs);
    const started = performance.now();
    const machine = await startUml(kernel, umlArguments(options, directory), directory, resultPath);
    const hurry = endOnceHalted(machine);
    try {
      const exit = await waitForEnd(machine, options);
      return {
        ...readResult(readFileSync(resultPath, "utf8"), machine, exit),
        console: machine.output,
        durationMs: performance.now() - started,
      };
    } finally {
      hurry.abort();
      killHelpers(machine.pid);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Ends the program once its kernel has halted, as it sometimes does not end by itself. */
function endOnceHalted(machine: ManagedProcess): AbortController {
  const over = new AbortController();
  machine
    .waitForOutput(/reboot: System halted/, { timeoutMs: WATCH_MS, signal: over.signal })
    .then(async () => delay(HALTED_MS, over.signal))
    .then(
      () => machine.signal("SIGKILL"),
      // It ended by itself, or never came as far.
      () => undefined,
    );
  return over;
}

async function startUml(
  { imagePath }: GuestKernel,
  args: readonly string[],
  directory: string,
  resultPath: string,
): Promise<ManagedProcess> {
  const [program, ...before] = [...ownProcessNamespace(), imagePath];
  const result = openSync(resultPath, "w");
  try {
    return await ManagedProcess.spawn(program ?? imagePath, [...before, ...args], {
      extraFds: [result],
      // The guest's memory is a file there.
      env: { TMPDIR: directory },
    });
  } finally {
    closeSync(result);
  }
}

/**
 * Returns the words that start a program in a process namespace of its own. The helper processes of
 * User Mode Linux wait for ever when it is killed; in a namespace they end with it, also when our
 * process is gone.
 */
export function ownProcessNamespace(): readonly string[] {
  const unshare = resolveProgram("unshare");
  if (unshare === undefined) return [];
  const user = process.getuid?.() === 0 ? [] : ["--user", "--map-current-user"];
  const command = [unshare, ...user, "--pid", "--fork", "--kill-child=KILL", "--"] as const;
  // Containers and hardened systems may forbid it.
  const { status } = spawnSync(command[0], [...command.slice(1), "true"], { stdio: "ignore" });
  return status === 0 ? command : [];
}

/** Kills the helpers by their process group, if they are not in a namespace of their own. */
function killHelpers(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // There is no such group (any more).
  }
}
