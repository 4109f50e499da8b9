import type { UnixSocket } from "../../core/os/index.ts";
import { VirtioFeature } from "../../core/protocol/index.ts";
import { Answerer, type RequestHandler } from "../../core/session/index.ts";
import { type Channel, type CloseReason, UnixChannel } from "../../core/transport/index.ts";
import { answers } from "./handlers/index.ts";
import type { SessionOptions } from "./session-options.ts";
import { SessionState } from "./session-state.ts";

/**
 * A back-end's side of one connection: state, memory, rings, and the device behind them.
 *
 * @example
 * ```ts
 * import { BackendServer } from "vhost-user";
 * import { echoDevice } from "vhost-user/devices/net";
 *
 * const server = await BackendServer.listen("one-front-end.sock", {
 *   device: () => echoDevice(),
 *   // A second front-end is sent away.
 *   onSession: (session) => {
 *     if (server.sessions.size > 1) session.close(new Error("one front-end at a time"));
 *   },
 * });
 * server.close();
 * ```
 */
export class BackendSession extends SessionState {
  readonly #channel: Channel;

  /** @param socket taken over */
  constructor(socket: UnixSocket, options: SessionOptions) {
    super(options);
    const channel = new UnixChannel(socket, { observe: options.observe });
    try {
      this.#channel = options.channel?.(channel) ?? channel;
      this.#start(options);
    } catch (error) {
      channel.close();
      throw error;
    }
  }

  /** Resolves with the reason when the connection has ended. */
  get closed(): Promise<CloseReason> {
    return this.#channel.closed;
  }

  close(reason?: Error): void {
    this.#channel.close(reason);
  }

  /** QEMU enables rings, and sends NET_SET_MTU, before it acknowledges any feature. */
  get #presumed(): bigint {
    return VirtioFeature.ProtocolFeatures | (this.capabilities.network?.mtuFeature ?? 0n);
  }

  #start({ handler: hook, strictness = "lenient" }: SessionOptions): void {
    const answerer = new Answerer(this.#channel, {
      direction: "front-end",
      negotiation: this.negotiation,
      strictness,
      presumed: strictness === "lenient" ? this.#presumed : undefined,
      onRefused: (problem, ends) => {
        this.history.refusal = problem;
        this.problems.report(problem, ends);
      },
      wrap: (request, handler): RequestHandler => {
        const serve = hook?.(request, handler) ?? handler;
        return (payload, incoming) => {
          this.history.begin(request);
          return serve(payload, incoming);
        };
      },
    });
    for (const answer of answers) answer(this, answerer);
    this.capabilities.lifecycle?.attach?.({
      requests: this.requests,
      configChanged: () =>
        void this.configChanged().catch((error: unknown) => this.problems.report(error)),
    });
    void this.#channel.closed.then(({ by }) => {
      this.history.closedBy = by;
      this.release();
    });
    answerer.start();
  }
}
