import { StateError } from "../../core/base/index.ts";
import type { GuestMemory } from "../../core/memory/index.ts";
import type { UnixSocket } from "../../core/os/index.ts";
import type { CloseReason } from "../../core/transport/index.ts";
import type { BackendRequestHandlers } from "./backend-channel.ts";
import { KEPT_FEATURES, type Wishes } from "./bring-up.ts";
import type { ClientOptions } from "./client-options.ts";
import type { ClientQueues } from "./client-queues.ts";
import { Connection } from "./connection.ts";
import type { ClientIommu } from "./iommu.ts";
import { DEFAULT_TIMEOUT_MS, type Dial, keepTrying } from "./reconnect.ts";
import type { Recovery } from "./recovery.ts";
import { withinTime } from "./together.ts";

/** The parts of a session that a {@link SessionLink} uses. */
export interface LinkedSession {
  readonly options: ClientOptions;
  readonly handlers: BackendRequestHandlers;
  readonly iommu: ClientIommu | undefined;
  readonly queues: ClientQueues;
  readonly memory: () => GuestMemory;
  /** Called once no connection will follow. */
  readonly ended: (reason: CloseReason) => void;
}

/**
 * The connection of a session, which outlives it: replaces a lost one if the session reconnects, and
 * the one that a migration leaves behind.
 */
export class SessionLink {
  /** Number of reconnections of the session. */
  reconnects = 0;
  /** Total number of requests that were resubmitted because their back-end was lost. */
  replayed = 0;
  readonly #session: LinkedSession;
  /** Makes another connection with the same settings; undefined if the session does not reconnect. */
  #dial: Dial | undefined;
  readonly #recovery: Recovery | undefined;
  readonly #ending = new AbortController();
  #connection: Connection;
  /** The connection that will replace a lost one. */
  #coming: Connection | undefined;

  /** @param socket the first connection, which is taken over */
  constructor(
    socket: UnixSocket,
    session: LinkedSession,
    dial: Dial | undefined,
    recovery: Recovery | undefined,
  ) {
    this.#session = session;
    this.#dial = dial;
    this.#recovery = recovery;
    this.#connection = this.connectionOn(socket);
  }

  get connection(): Connection {
    return this.#connection;
  }

  /** The features that each connection asks for. */
  get wishes(): Wishes {
    const { protocolFeatures = 0n } = this.#session.options;
    const kept = this.#dial === undefined ? 0n : KEPT_FEATURES;
    return { ...this.#session.options, protocolFeatures: protocolFeatures | kept };
  }

  /** Makes a connection with the settings of the session. It is not used before {@link moveTo}. */
  connectionOn(socket: UnixSocket): Connection {
    const { options, handlers, iommu } = this.#session;
    const { timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    return new Connection(socket, { ...options, timeoutMs, handlers, translator: iommu });
  }

  /** Replaces a connection once it is lost, or ends the session. */
  watch(): void {
    const connection = this.#connection;
    void connection.closed.then(async (reason) => {
      const { signal } = this.#ending;
      // A migration left it behind.
      if (connection !== this.#connection) return;
      if (reason.by !== "peer" || signal.aborted) this.#session.ended(reason);
      else if (!this.#dial || !this.#recovery) this.#session.ended(reason);
      else await this.#reconnect(this.#dial, this.#recovery);
    });
  }

  /** Continues on another connection, which `dial` makes again when it is lost. */
  moveTo(connection: Connection, dial: Dial): void {
    this.#connection = connection;
    this.#dial &&= dial;
    this.watch();
  }

  /** Closes the connections at once, without another one. Idempotent. */
  close(reason?: Error): void {
    this.#ending.abort(reason ?? new StateError("the session was closed"));
    this.#coming?.close(reason);
    this.#connection.close(reason);
  }

  async #reconnect(dial: Dial, recovery: Recovery): Promise<void> {
    const { options, queues } = this.#session;
    const { reconnect = {}, hostNotifiers, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    const { signal } = this.#ending;
    const lost = this.#connection;
    const since = performance.now();
    lost.close();
    hostNotifiers?.close();
    try {
      const suspended = recovery.suspend(queues.running);
      const { attempts } = await keepTrying(reconnect, signal, async (leftMs) => {
        const socket = await dial({ signal, timeoutMs: Math.min(timeoutMs, leftMs) });
        if (signal.aborted) socket.close();
        signal.throwIfAborted();
        this.#coming?.close();
        this.#coming = this.connectionOn(socket);
        const resumed = recovery.resume(this.#coming, lost, {
          wishes: this.wishes,
          memory: this.#session.memory(),
          queues: queues.all,
          started: queues.running,
        });
        await withinTime(leftMs, this.#coming, resumed);
      });
      this.#connection = this.#coming ?? lost;
      this.#coming = undefined;
      this.reconnects += 1;
      for (const { inFlight } of suspended) this.replayed += inFlight;
      this.watch();
      queues.restart();
      const downMs = performance.now() - since;
      const { replayedBy } = recovery;
      reconnect.onReconnect?.({ attempts, downMs, queues: suspended, replayedBy });
    } catch (error) {
      this.#coming?.close();
      const cause = signal.aborted ? (signal.reason as unknown) : error;
      this.#session.ended({
        by: "error",
        error: cause instanceof Error ? cause : new Error(String(cause)),
      });
    }
  }
}
