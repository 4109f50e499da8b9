import { mkdtempSync, rmSync, writeFileSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  onAbort,
  PeerClosedError,
  TimeoutError,
  type WaitOptions,
} from "../../../core/base/index.ts";
import { buildInitramfs, guestMarkers } from "./initramfs.ts";
import { findGuestKernel, type GuestKernel } from "./kernel.ts";
import { ManagedProcess, type ProcessExit } from "../process/managed-process.ts";
import { bareMachineArguments, escapeComma } from "../known/qemu-options.ts";

export interface LinuxGuestOptions extends WaitOptions {
  /** Shell script (busybox); its standard output and error and its exit code are the result. */
  readonly script: string;
  /** QEMU arguments of the devices under test. */
  readonly deviceArguments: readonly string[];
  /** Kernel modules that drive them, in any order; needed ones are found. */
  readonly modules: readonly string[];
  /** Default 256. */
  readonly memoryMiB?: number | undefined;
  /** Default 1. virtio-blk uses at most one queue per processor. */
  readonly cpus?: number | undefined;
  /** Further arguments of the kernel, e.g. `intel_iommu=on`. */
  readonly kernelArguments?: string | undefined;
  /** Default: the newest installed one, see {@link findGuestKernel}. */
  readonly kernel?: GuestKernel | undefined;
}

export interface GuestResult {
  /** The output of the script. */
  readonly output: string;
  /** The script's exit code. */
  readonly exitCode: number;
  /** The kernel's console and QEMU's own messages: where to look when something is odd. */
  readonly console: string;
  /** Milliseconds from the start of QEMU to its end. */
  readonly durationMs: number;
}

/** Generous: software emulation on a busy machine. A boot takes about 6 s. */
const defaultTimeoutMs = 120_000;

/**
 * Boots Linux in an emulated machine (no KVM needed), runs the script in it, powers off.
 *
 * @throws {EnvironmentError} QEMU, a kernel or busybox is missing; {@link PeerClosedError} the
 *   machine ended without the script's result; {@link TimeoutError} (default 120 s);
 *   `signal.reason`. The machine is gone in every case.
 */
export async function bootLinux(options: LinuxGuestOptions): Promise<GuestResult> {
  const kernel = options.kernel ?? findGuestKernel();
  const directory = mkdtempSync(join(tmpdir(), "vhost-user-guest-"));
  try {
    const initramfsPath = join(directory, "initramfs");
    const resultPath = join(directory, "result");
    const { script, modules } = options;
    writeFileSync(initramfsPath, buildInitramfs({ script, modules, kernel }));
    const started = performance.now();
    const machine = await ManagedProcess.spawn(
      "qemu-system-x86_64",
      [
        bareMachineArguments(options.memoryMiB ?? 256, options.cpus ?? 1),
        ["-serial", "stdio"],
        ["-chardev", `file,id=result,path=${escapeComma(resultPath)}`, "-serial", "chardev:result"],
        ["-kernel", kernel.imagePath, "-initrd", initramfsPath],
        // A kernel panic then ends QEMU (-no-reboot) at once, not at the time-out.
        ["-append", `console=ttyS0 quiet panic=-1 ${options.kernelArguments ?? ""}`.trim()],
        options.deviceArguments,
      ].flat(),
    );
    const exit = await waitForEnd(machine, options);
    return {
      ...readResult(readFileSync(resultPath, "utf8"), machine, exit),
      console: machine.output,
      durationMs: performance.now() - started,
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Waits until the machine powers off; ends it when that takes too long or is no longer wanted. */
export async function waitForEnd(
  machine: ManagedProcess,
  { timeoutMs = defaultTimeoutMs, signal }: WaitOptions,
): Promise<ProcessExit> {
  const ended = new AbortController();
  const timer = setTimeout(() => {
    ended.abort(
      new TimeoutError(machine.describe(`the guest did not power off within ${timeoutMs} ms`)),
    );
  }, timeoutMs);
  const stop = signal ? AbortSignal.any([signal, ended.signal]) : ended.signal;
  const onStop = (): void => machine.signal("SIGKILL");
  if (stop.aborted) onStop();
  const ignoreSignal = onAbort(stop, onStop);
  try {
    const exit = await machine.exited;
    stop.throwIfAborted();
    return exit;
  } finally {
    clearTimeout(timer);
    ignoreSignal();
  }
}

/** Reads the output and exit code of the script from the text of the second serial port. */
export function readResult(
  serial: string,
  machine: ManagedProcess,
  exit: ProcessExit,
): Pick<GuestResult, "output" | "exitCode"> {
  const begin = serial.indexOf(guestMarkers.begin);
  const end = serial.lastIndexOf(guestMarkers.end);
  if (begin < 0 || end < begin) {
    const how = begin < 0 ? "before the script began" : "in the middle of the script";
    const heard = begin < 0 ? "" : `\nthe script had printed:\n${serial.slice(begin)}`;
    throw new PeerClosedError(
      machine.describe(`the guest ended ${how} (QEMU's exit code: ${exit.code})`) + heard,
    );
  }
  return {
    output: serial.slice(begin + guestMarkers.begin.length, end).replace(/^\r?\n/, ""),
    exitCode: Number.parseInt(serial.slice(end + guestMarkers.end.length), 10),
  };
}
