import type { TestContext } from "../context.ts";
import { StressChild } from "./child.ts";
import { type Outcome, STALL_MS, type Usage } from "./messages.ts";

/** Milliseconds that a client process may take to answer once its requests are done. */
const ANSWER_MS = 60_000;
/** Client processes at most. */
const MAX_PROCESSES = 4;

/** The interface that a fleet needs of its owner. */
export type FleetHost = Pick<TestContext, "signal" | "defer">;

/** Client processes, which share a number of clients among them. */
export class ClientFleet {
  readonly path: string;
  readonly clients: readonly StressChild[];
  readonly #shares: readonly { first: number; count: number }[];
  readonly #signal: AbortSignal;

  /** @param steady the processes' memory is going to be compared */
  constructor(host: FleetHost, path: string, clientCount: number, steady: boolean) {
    this.#signal = host.signal;
    this.path = path;
    const processes = Math.min(MAX_PROCESSES, clientCount);
    this.clients = Array.from(
      { length: processes },
      () => new StressChild("client-process.js", steady),
    );
    host.defer(async () => Promise.all(this.clients.map(async (client) => client.stop())));
    this.#shares = shareOut(clientCount, processes);
  }

  async open(): Promise<Outcome> {
    return this.#all(async (client, i) => {
      const { first = 0, count = 0 } = this.#shares[i] ?? {};
      return client.ask("open", { path: this.path, first, count }, this.#signal);
    });
  }

  /**
   * @param round what is written differs from round to round
   * @param stallMs how long one request may take
   */
  async io(round = 0, stallMs = STALL_MS): Promise<Outcome> {
    // A client writes and reads, and answers after that.
    const timeoutMs = 2 * stallMs + ANSWER_MS;
    return this.#all(async (client) =>
      client.ask("io", { round, stallMs }, this.#signal, timeoutMs),
    );
  }

  async close(): Promise<Outcome> {
    return this.#all(async (client) => client.ask("close", {}, this.#signal));
  }

  /** Connections that leave without a word. */
  async storm(count: number): Promise<Outcome> {
    return this.#shared(count, async (client, share) =>
      client.ask("storm", { path: this.path, count: share }, this.#signal),
    );
  }

  /** Connections that ask and do not read, until {@link release}. */
  async clog(count: number): Promise<Outcome> {
    return this.#shared(count, async (client, share) =>
      client.ask("clog", { path: this.path, count: share }, this.#signal),
    );
  }

  async release(): Promise<Outcome> {
    return this.#all(async (client) => client.ask("release", {}, this.#signal));
  }

  /** Figures of the first client process; the rest do the same. */
  async clientUsage(): Promise<Usage> {
    const [first] = this.clients;
    if (first === undefined) throw new RangeError("a fleet has at least one client process");
    return first.ask("usage", {}, this.#signal);
  }

  async #shared(
    total: number,
    ask: (client: StressChild, count: number) => Promise<Outcome>,
  ): Promise<Outcome> {
    const shares = shareOut(total, this.clients.length);
    return this.#all(async (client, i) => ask(client, shares[i]?.count ?? 0));
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

function shareOut(total: number, parts: number): { first: number; count: number }[] {
  const shares: { first: number; count: number }[] = [];
  for (let i = 0, first = 0; i < parts; i += 1) {
    const count = Math.floor((total - first) / (parts - i));
    shares.push({ first, count });
    first += count;
  }
  return shares;
}
