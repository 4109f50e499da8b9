import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { WaitOptions } from "../../../core/base/index.ts";
import { blockDeviceArguments } from "./block-guest.ts";
import { debugConsolePort, debugExitPort } from "./boot-sector.ts";
import { waitForEnd } from "./guest.ts";
import { ManagedProcess } from "../process/managed-process.ts";
import { bareMachineArguments, escapeComma } from "../known/qemu-options.ts";

export interface FirmwareOptions extends WaitOptions {
  /** The socket path of a vhost-user-blk back-end, whose disk has `bootSector()` in sector 0. */
  readonly socketPath: string;
  /** Further properties of `vhost-user-blk-pci`. */
  readonly blkOptions?: string | undefined;
  /** Default 1. QEMU gives the disk a queue for each. */
  readonly cpus?: number | undefined;
  /** Default 64. */
  readonly memoryMiB?: number | undefined;
}

export interface FirmwareResult {
  /** The text that the boot sector wrote to the debug console. */
  readonly message: string;
  /** QEMU's exit code: `bootedExitCode` when the boot sector ran to its end. */
  readonly exitCode: number | null;
  /** Milliseconds from the start of QEMU to its end. */
  readonly durationMs: number;
}

/**
 * Starts a machine that has nothing but the back-end's disk, and lets SeaBIOS boot from it: the
 * smallest real guest driver there is.
 *
 * @throws {EnvironmentError} QEMU is missing; {@link TimeoutError} (default 30 s): nothing bootable
 *   was found; `signal.reason`
 */
export async function bootFirmware(options: FirmwareOptions): Promise<FirmwareResult> {
  const directory = mkdtempSync(join(tmpdir(), "vhost-user-firmware-"));
  try {
    const consolePath = join(directory, "debugcon");
    const started = performance.now();
    const properties = ["bootindex=0", options.blkOptions].filter(Boolean).join(",");
    const machine = await ManagedProcess.spawn(
      "qemu-system-x86_64",
      [
        bareMachineArguments(options.memoryMiB ?? 64, options.cpus ?? 1),
        ["-chardev", `file,id=debugcon,path=${escapeComma(consolePath)}`],
        ["-device", `isa-debugcon,iobase=${debugConsolePort},chardev=debugcon`],
        ["-device", `isa-debug-exit,iobase=${debugExitPort},iosize=1`],
        blockDeviceArguments(options.socketPath, properties),
      ].flat(),
    );
    const { signal, timeoutMs = 30_000 } = options;
    const exit = await waitForEnd(machine, { signal, timeoutMs });
    return {
      message: readFileSync(consolePath, "latin1"),
      exitCode: exit.code,
      durationMs: performance.now() - started,
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
