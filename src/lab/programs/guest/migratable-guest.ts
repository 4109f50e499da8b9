import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  delay,
  PeerClosedError,
  TimeoutError,
  type WaitOptions,
} from "../../../core/base/index.ts";
import { buildInitramfs } from "./initramfs.ts";
import { findGuestKernel } from "./kernel.ts";
import { ManagedProcess } from "../process/managed-process.ts";
import { waitUntilListening } from "../process/ready.ts";
import { bareMachineArguments, escapeComma } from "../known/qemu-options.ts";
import { Qmp } from "../known/qmp.ts";

export interface MigratableGuestOptions {
  /** Shell script (busybox). What it prints is {@link MigratableGuest.machine}'s output. */
  readonly script: string;
  readonly modules: readonly string[];
  /** Default 128. */
  readonly memoryMiB?: number | undefined;
  /** QEMU arguments of the devices under test; on the destination those of its own back-ends. */
  readonly deviceArguments: readonly string[];
}

/** Parameters of a migration, by their names in QMP. */
export type MigrationParameters = Readonly<Record<string, number>>;

const POLL_MS = 50;

/** A Linux guest in a QEMU that can migrate to another QEMU. */
export class MigratableGuest implements AsyncDisposable {
  /** The QEMU that runs the guest, or is to get it; its output is that of the script. */
  readonly machine: ManagedProcess;
  readonly qmp: Qmp;
  readonly #folder: string;
  readonly #options: MigratableGuestOptions;

  private constructor(
    machine: ManagedProcess,
    qmp: Qmp,
    folder: string,
    options: MigratableGuestOptions,
  ) {
    this.machine = machine;
    this.qmp = qmp;
    this.#folder = folder;
    this.#options = options;
  }

  /**
   * Boots the guest.
   *
   * @throws {EnvironmentError} QEMU, a kernel or busybox is missing
   */
  static async boot(options: MigratableGuestOptions): Promise<MigratableGuest> {
    return MigratableGuest.#start(options, []);
  }

  /** Starts a QEMU that waits for this guest, with back-ends of its own. */
  async destination(deviceArguments: readonly string[]): Promise<MigratableGuest> {
    const options = { ...this.#options, deviceArguments };
    return MigratableGuest.#start(options, ["-incoming", "defer"]);
  }

  static async #start(
    options: MigratableGuestOptions,
    more: readonly string[],
  ): Promise<MigratableGuest> {
    const kernel = findGuestKernel();
    const folder = mkdtempSync(join(tmpdir(), "vhost-user-guest-"));
    const path = (name: string): string => join(folder, name);
    let machine: ManagedProcess | undefined;
    try {
      const { script, modules, memoryMiB = 128, deviceArguments } = options;
      writeFileSync(path("initramfs"), buildInitramfs({ script, modules, kernel }));
      machine = await ManagedProcess.spawn(
        "qemu-system-x86_64",
        [
          bareMachineArguments(memoryMiB, 1),
          ["-chardev", `file,id=console,path=${escapeComma(path("console"))}`],
          ["-serial", "chardev:console", "-serial", "stdio"],
          ["-qmp", `unix:${escapeComma(path("qmp"))},server=on,wait=off`],
          ["-kernel", kernel.imagePath, "-initrd", path("initramfs")],
          ["-append", "console=ttyS0 quiet panic=-1"],
          deviceArguments,
          more,
        ].flat(),
      );
      await waitUntilListening(path("qmp"), { process: machine, timeoutMs: 30_000 });
      return new MigratableGuest(machine, await Qmp.connect(path("qmp")), folder, options);
    } catch (error) {
      await machine?.kill();
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** The kernel's console: where to look when something is odd. */
  get console(): string {
    return readFileSync(this.#path("console"), "utf8");
  }

  /** Resolves with the match once the script has printed it. */
  async printed(pattern: RegExp, timeoutMs = 60_000): Promise<RegExpExecArray> {
    return this.machine.waitForOutput(pattern, { timeoutMs });
  }

  /**
   * Begins to move to another QEMU.
   *
   * @param postcopy it may go on before its memory has arrived
   */
  async migrateTo(
    destination: MigratableGuest,
    parameters: MigrationParameters,
    postcopy = false,
  ): Promise<void> {
    await this.setParameters(parameters);
    await destination.#listen(postcopy);
    if (postcopy) await this.#allowPostcopy();
    await this.qmp.execute("migrate", { uri: `unix:${destination.#path("incoming")}` });
  }

  /** The guest goes on at the destination, and its memory follows. */
  async startPostcopy(): Promise<void> {
    await this.qmp.execute("migrate-start-postcopy");
  }

  async #listen(postcopy: boolean): Promise<void> {
    if (postcopy) await this.#allowPostcopy();
    await this.qmp.execute("migrate-incoming", { uri: `unix:${this.#path("incoming")}` });
  }

  async #allowPostcopy(): Promise<void> {
    const capabilities = [{ capability: "postcopy-ram", state: true }];
    await this.qmp.execute("migrate-set-capabilities", { capabilities });
  }

  async setParameters(parameters: MigrationParameters): Promise<void> {
    await this.qmp.execute("migrate-set-parameters", parameters);
  }

  /**
   * Resolves once the migration is as wanted.
   *
   * @throws {PeerClosedError} it failed
   */
  async migration(
    wanted: (state: MigrationState) => boolean,
    { timeoutMs = 60_000, signal }: WaitOptions = {},
  ): Promise<MigrationState> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const state = (await this.qmp.execute("query-migrate")) as MigrationState;
      if (wanted(state)) return state;
      if (state.status === "failed" || state.status === "cancelled") {
        throw new PeerClosedError(
          this.machine.describe(`the migration ${state.status}: ${JSON.stringify(state)}`),
        );
      }
      if (performance.now() > deadline) {
        throw new TimeoutError(
          `the migration is not as wanted within ${timeoutMs} ms: ${JSON.stringify(state)}`,
        );
      }
      await delay(POLL_MS, signal);
    }
  }

  /** Ends QEMU, whatever the guest does. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.qmp.close();
    await this.machine.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }
}

/** The members of the answer to `query-migrate` that matter here. */
export interface MigrationState {
  readonly status?: string;
  /** Longest downtime, milliseconds. */
  readonly downtime?: number;
  readonly ram?: { readonly "dirty-sync-count": number; readonly transferred: number };
}
