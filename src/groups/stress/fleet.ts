import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "../engine.ts";
import { StressChild } from "./child.ts";
import { CLIENT_SHARE, type Outcome, type Usage } from "./messages.ts";

/** Client processes at most. */
const MAX_PROCESSES = 4;
/** Descriptors that one session takes on either side, and those a process has anyway. */
export const DESCRIPTORS_PER_SESSION = 6;
const DESCRIPTORS_OF_A_PROCESS = 64;

/** A back-end process and the client processes that it is put under stress with. */
export class Fleet {
  readonly path: string;
  readonly backend: StressChild;
  readonly clients: readonly StressChild[];
  readonly #shares: readonly { first: number; count: number }[];
  readonly #signal: AbortSignal;

  private constructor(context: TestContext, clientCount: number, steady: boolean) {
    this.#signal = context.signal;
    this.path = join(context.folder, "stress.sock");
    this.backend = new StressChild("backend-process.js", steady);
    context.defer(async () => this.backend.stop());
    const processes = Math.min(MAX_PROCESSES, clientCount);
    this.clients = Array.from(
      { length: processes },
      () => new StressChild("client-process.js", steady),
    );
    context.defer(async () => Promise.all(this.clients.map(async (client) => client.stop())));
    this.#shares = shareOut(clientCount, processes);
  }

  /** @param steady the processes' memory is going to be compared */
  static async start(context: TestContext, clientCount: number, steady = false): Promise<Fleet> {
    const fleet = new Fleet(context, clientCount, steady);
    const size = Math.max(1, clientCount) * CLIENT_SHARE;
    await fleet.backend.ask("serve", { path: fleet.path, size }, context.signal);
    return fleet;
  }

  async open(): Promise<Outcome> {
    return this.#all(async (client, i) => {
      const { first = 0, count = 0 } = this.#shares[i] ?? {};
      return client.ask("open", { path: this.path, first, count }, this.#signal);
    });
  }

  async io(): Promise<Outcome> {
    return this.#all(async (client) => client.ask("io", {}, this.#signal));
  }

  async close(): Promise<Outcome> {
    return this.#all(async (client) => client.ask("close", {}, this.#signal));
  }

  async storm(count: number): Promise<Outcome> {
    const shares = shareOut(count, this.clients.length);
    return this.#all(async (client, i) =>
      client.ask("storm", { path: this.path, count: shares[i]?.count ?? 0 }, this.#signal),
    );
  }

  async backendUsage(): Promise<Usage> {
    return this.backend.ask("usage", {}, this.#signal);
  }

  /** The back-end's usage once no session is open any more: leaving is noticed, not told. */
  async idleUsage(): Promise<Usage> {
    for (;;) {
      const usage = await this.backendUsage();
      if (usage.sessions === 0) return usage;
      this.#signal.throwIfAborted();
    }
  }

  /** Of the first client process; the others do the same. */
  async clientUsage(): Promise<Usage> {
    const [first] = this.clients;
    if (first === undefined) throw new RangeError("a fleet has at least one client process");
    return first.ask("usage", {}, this.#signal);
  }

  async #all(ask: (client: StressChild, index: number) => Promise<Outcome>): Promise<Outcome> {
    const outcomes = await Promise.all(this.clients.map(ask));
    const failures: Record<string, number> = {};
    for (const outcome of outcomes) {
      for (const [text, count] of Object.entries(outcome.failures)) {
        failures[text] = (failures[text] ?? 0) + count;
      }
    }
    return { done: outcomes.reduce((sum, { done }) => sum + done, 0), failures };
  }
}

/** @throws an error naming what failed, most frequent first */
export function expectAll({ done, failures }: Outcome, expected: number, what: string): void {
  if (done === expected) return;
  const worst = Object.entries(failures).toSorted((a, b) => b[1] - a[1]);
  const reasons = worst.slice(0, 3).map(([text, count]) => `${count} times ${text}`);
  throw new Error(`${what}: expected ${expected}, got ${done}: ${reasons.join("; ")}`);
}

/** Descriptors that a fleet needs in its largest process, and how many one may have. */
export function descriptorNeed(clients: number): { needed: number; available: number } {
  const limits = readFileSync("/proc/self/limits", "utf8");
  const line = /^Max open files\s+(\d+|unlimited)/m.exec(limits)?.[1];
  const available = line === "unlimited" ? Infinity : Number(line);
  return { needed: clients * DESCRIPTORS_PER_SESSION + DESCRIPTORS_OF_A_PROCESS, available };
}

function shareOut(total: number, parts: number): { first: number; count: number }[] {
  const shares: { first: number; count: number }[] = [];
  for (let i = 0, first = 0; i < parts; i += 1) {
    const count = Math.floor((total - first) / (parts - i));
    shares.push({ first, count });
    first += count;
  }
  return shares;
}
