import { readFileSync } from "node:fs";
import { join } from "node:path";
import { counted, EnvironmentError } from "../../../core/base/index.ts";
import type { TestContext } from "../context.ts";
import { StressChild } from "./child.ts";
import { ClientFleet, type FleetHost } from "./client-fleet.ts";
import { CLIENT_SHARE, type Outcome, type Usage } from "./messages.ts";

/** Descriptors that one session takes on either side, and those a process has anyway. */
export const DESCRIPTORS_PER_SESSION = 9;
const DESCRIPTORS_OF_A_PROCESS = 64;

/** Milliseconds until the number of descriptors must have returned to its initial value. */
const IDLE_MS = 10_000;

/** A back-end process of ours and the client processes that it is put under stress with. */
export class Fleet extends ClientFleet {
  readonly backend: StressChild;
  readonly #signal: AbortSignal;

  private constructor(host: FleetHost, path: string, clientCount: number, steady: boolean) {
    // First: it ends last.
    const backend = new StressChild("backend-process.js", steady);
    host.defer(async () => backend.stop());
    super(host, path, clientCount, steady);
    this.backend = backend;
    this.#signal = host.signal;
  }

  /** @param steady the processes' memory is going to be compared */
  static async start(
    host: FleetHost & Pick<TestContext, "folder">,
    clientCount: number,
    steady = false,
  ): Promise<Fleet> {
    const fleet = new Fleet(host, join(host.folder, "stress.sock"), clientCount, steady);
    const size = diskBytes(clientCount);
    await fleet.backend.ask("serve", { path: fleet.path, size }, host.signal);
    return fleet;
  }

  async backendUsage(): Promise<Usage> {
    return this.backend.ask("usage", {}, this.#signal);
  }

  /**
   * The back-end's usage once no session is open any more, which takes it a moment to see.
   *
   * @param descriptors what it had before: one that is short of descriptors accepts connections that
   *   wait in its backlog later, and holds them while it is asked
   */
  async idleUsage(descriptors = Infinity): Promise<Usage> {
    const deadline = performance.now() + IDLE_MS;
    for (;;) {
      const usage = await this.backendUsage();
      const isSettled = usage.descriptors <= descriptors || performance.now() > deadline;
      if (usage.sessions === 0 && isSettled) return usage;
      this.#signal.throwIfAborted();
    }
  }
}

/**
 * Returns the bytes of a disk for `clients` clients: one share each, and one for clients that are
 * killed.
 */
export function diskBytes(clients: number): number {
  return (clients + 1) * CLIENT_SHARE;
}

/** @throws an error naming what failed, most frequent first */
export function expectAll({ done, failures }: Outcome, expected: number, what: string): void {
  if (done === expected) return;
  const worst = Object.entries(failures).toSorted((a, b) => b[1] - a[1]);
  const reasons = worst.slice(0, 3).map(([text, count]) => `${counted(count, "time")} ${text}`);
  throw new Error(`${what}: expected ${expected}, got ${done}: ${reasons.join("; ")}`);
}

/** Descriptors that a fleet needs in its largest process, and how many one may have. */
export function descriptorNeed(clients: number): { needed: number; available: number } {
  const limits = readFileSync("/proc/self/limits", "utf8");
  const line = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1];
  const available = line === "unlimited" ? Infinity : Number(line);
  return { needed: clients * DESCRIPTORS_PER_SESSION + DESCRIPTORS_OF_A_PROCESS, available };
}

/**
 * @throws {EnvironmentError} this process may not have as many descriptors as that takes
 */
export function expectDescriptors(clients: number): void {
  const { needed, available } = descriptorNeed(clients);
  if (available >= needed) return;
  throw new EnvironmentError(
    `${clients} clients need ${needed} file descriptors in one process, ${available} are available; ` +
      `raise the limit (ulimit -n ${needed}) or use fewer clients`,
  );
}
