import {
  closeSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { asError, systemCode, TimeoutError } from "../../../core/base/index.ts";
import { bootedExitCode, debugExitPort } from "../guest/boot-sector.ts";
import { waitForEnd } from "../guest/guest.ts";
import { longModeSector } from "./kvm-sector.ts";
import { lockLedger } from "../ledger/ledger-lock.ts";
import type { Ledger } from "../ledger/ledger.ts";
import { ManagedProcess } from "../process/managed-process.ts";
import { explainFileError } from "../ledger/private-file.ts";
import { bootId } from "../process/process-identity.ts";
import { type Accelerator, bareMachineArguments, escapeComma } from "../known/qemu-options.ts";

/** Can guests run under KVM here, at a speed that makes sense? */
export interface KvmVerdict {
  readonly usable: boolean;
  readonly reason: string;
  /** Milliseconds that the boot sector took; null if it was not measured or did not end in time. */
  readonly kvmMs: number | null;
  readonly tcgMs: number | null;
}

export const kvmLimitMs = 1000;
export const kvmWorstRatio = 3;
const tcgLimitMs = 20_000;
/** A busy machine may spoil one measurement. */
const attempts = 2;
export const kvmDevice = "/dev/kvm";

/**
 * Returns whether KVM is usable: judged by a boot sector that must end within a second and in at
 * most three times its time under TCG. That `/dev/kvm` opens says little: there are machines where
 * it does and Linux guests never speak. Measured once a boot and program; other processes' results
 * are shared.
 *
 * @param program QEMU's path
 * @throws `signal.reason`
 */
export async function judgeKvm(
  ledger: Ledger,
  program: string,
  { signal, device = kvmDevice }: { signal?: AbortSignal | undefined; device?: string } = {},
): Promise<KvmVerdict> {
  const obstacle = cannotOpen(device);
  if (obstacle !== undefined) return { usable: false, reason: obstacle, kvmMs: null, tcgMs: null };
  // Two that measure at once would spoil each other's figures.
  using _lock = await lockLedger(ledger, "kvm", { signal });
  const cache = new VerdictCache(ledger, program);
  const known = cache.read();
  if (known !== undefined) return known;
  let verdict = await measure(ledger, program, signal);
  for (let i = 1; i < attempts && !verdict.usable && verdict.tcgMs !== null; i += 1) {
    verdict = await measure(ledger, program, signal);
  }
  cache.write(verdict);
  return verdict;
}

/** The rule itself. Undefined times: it did not end as it should within its limit. */
export function kvmVerdict(tcgMs: number | undefined, kvmMs: number | undefined): KvmVerdict {
  const ms = (value: number): string => `${Math.round(value)} ms`;
  const times = { kvmMs: kvmMs ?? null, tcgMs: tcgMs ?? null };
  if (tcgMs === undefined) {
    return {
      usable: false,
      reason: "a boot sector did not end under TCG: no comparison",
      ...times,
    };
  }
  if (kvmMs === undefined) {
    return {
      usable: false,
      reason: `a boot sector did not end within ${kvmLimitMs} ms under KVM (TCG: ${ms(tcgMs)})`,
      ...times,
    };
  }
  const usable = kvmMs <= kvmLimitMs && kvmMs <= kvmWorstRatio * tcgMs;
  const figures = `a boot sector took ${ms(kvmMs)} under KVM, ${ms(tcgMs)} under TCG`;
  const allowed = `allowed: ${kvmLimitMs} ms and ${kvmWorstRatio} times TCG's`;
  return { usable, reason: usable ? figures : `${figures} (${allowed})`, ...times };
}

function cannotOpen(device: string): string | undefined {
  try {
    closeSync(openSync(device, "r+"));
    return undefined;
  } catch (error) {
    switch (systemCode(error) ?? "") {
      case "ENOENT":
        return `there is no ${device}: virtualization is off in the firmware, or this is a virtual machine or container without it`;
      case "EACCES":
      case "EPERM":
        return `no permission on ${device}: sudo usermod -aG kvm "$USER", then log in again`;
      default:
        return `${device} cannot be opened: ${asError(error).message}`;
    }
  }
}

async function measure(
  ledger: Ledger,
  program: string,
  signal: AbortSignal | undefined,
): Promise<KvmVerdict> {
  const disk = ledger.temporaryFile("kvm-disk");
  try {
    writeDisk(disk);
    const tcgMs = await bootTime(program, "tcg", disk, tcgLimitMs, signal);
    if (tcgMs === undefined) return kvmVerdict(undefined, undefined);
    return kvmVerdict(tcgMs, await bootTime(program, "kvm", disk, kvmLimitMs, signal));
  } finally {
    rmSync(disk, { force: true });
  }
}

function writeDisk(disk: string): void {
  try {
    writeFileSync(disk, longModeSector(), { mode: 0o600, flag: "wx" });
  } catch (error) {
    const option = "the variable XDG_RUNTIME_DIR";
    throw explainFileError(error, disk, { what: "boot sector that tries KVM", option });
  }
}

/**
 * Measures the time from the start of QEMU to its end; undefined if the boot sector did not end it
 * in time.
 */
async function bootTime(
  program: string,
  accelerator: Accelerator,
  disk: string,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  signal?.throwIfAborted();
  const started = performance.now();
  const machine = await ManagedProcess.spawn(
    program,
    [
      bareMachineArguments(16, 1, accelerator),
      // The later -machine wins: q35's firmware does not find an IDE disk.
      ["-machine", "pc"],
      ["-device", `isa-debug-exit,iobase=${debugExitPort},iosize=1`],
      ["-drive", `if=none,id=disk0,format=raw,file=${escapeComma(disk)}`],
      ["-device", "ide-hd,drive=disk0,bus=ide.0"],
    ].flat(),
  );
  try {
    const exit = await waitForEnd(machine, { signal, timeoutMs });
    return exit.code === bootedExitCode ? performance.now() - started : undefined;
  } catch (error) {
    if (error instanceof TimeoutError) return undefined;
    throw error;
  }
}

/** Holds for this boot and this QEMU; a file that cannot be read is measured again. */
class VerdictCache {
  readonly #file: string;
  readonly #key: string;
  readonly #temporary: string;

  constructor(ledger: Ledger, program: string) {
    const { mtimeMs, size } = statSync(program);
    this.#key = [bootId(), program, mtimeMs, size].join(" ");
    this.#file = join(ledger.folder, kvmCacheName);
    this.#temporary = ledger.temporaryFile("kvm-cache");
  }

  read(): KvmVerdict | undefined {
    try {
      const { key, usable, reason, kvmMs, tcgMs } = JSON.parse(readFileSync(this.#file, "utf8"));
      if (key !== this.#key || typeof usable !== "boolean") return undefined;
      return { usable, reason: String(reason), kvmMs, tcgMs };
    } catch {
      return undefined;
    }
  }

  write(verdict: KvmVerdict): void {
    try {
      const text = JSON.stringify({ key: this.#key, ...verdict });
      writeFileSync(this.#temporary, text, { mode: 0o600, flag: "wx" });
      renameSync(this.#temporary, this.#file);
    } catch {
      // It is measured again then.
      rmSync(this.#temporary, { force: true });
    }
  }
}

/** File of the verdict in the ledger's folder. */
export const kvmCacheName = "kvm.cache";
