import { ProtocolError } from "../../core/base/index.ts";
import { type OwnedFd, UnixSocket } from "../../core/os/index.ts";
import {
  type BackendPayloadOf,
  type BackendReplyOf,
  BackendRequest,
  requestSpec,
} from "../../core/protocol/index.ts";
import {
  Answerer,
  type Incoming,
  type Negotiation,
  type RequestHandler,
  type Strictness,
} from "../../core/session/index.ts";
import { type FrameObserver, UnixChannel } from "../../core/transport/index.ts";

/**
 * Serves one of the back-end's requests. What it throws is answered as "failed", where
 * an acknowledgement is due; otherwise the channel ends.
 */
export type BackendRequestHandler<R extends BackendRequest> = (
  payload: BackendPayloadOf<R>,
  incoming: Incoming,
) => BackendReplyOf<R> | Promise<BackendReplyOf<R>>;

/** Handlers by request number. A request without a handler is refused. */
export type BackendRequestHandlers = {
  readonly [R in BackendRequest]?: BackendRequestHandler<R>;
};

/** The protocol features that serving these requests needs. */
export function featuresOfHandlers(handlers: BackendRequestHandlers): bigint {
  return Object.values(BackendRequest)
    .filter((request) => handlers[request] !== undefined)
    .reduce(
      (all, request) => all | (requestSpec("back-end", request)?.requires.protocol ?? 0n),
      0n,
    );
}

export interface BackendChannelOptions {
  readonly negotiation: Negotiation;
  readonly strictness: Strictness;
  readonly observe: FrameObserver | undefined;
  readonly handlers: BackendRequestHandlers;
  /**
   * Called when a request was refused, or when the back-end broke a rule so that the channel ended.
   */
  readonly onProblem: (problem: Error) => void;
}

/**
 * The front-end's end of the channel for requests of the back-end. It is served even while the
 * front-end's own calls wait for their replies. Its loss, or a broken rule on it, ends the channel
 * and not the session.
 */
export class BackendChannel {
  readonly #channel: UnixChannel;
  /** The back-end's end, to send with SET_BACKEND_REQ_FD and then to close. */
  readonly theirs: OwnedFd;

  constructor(options: BackendChannelOptions) {
    const [ours, theirs] = UnixSocket.pair();
    this.theirs = theirs.detach();
    this.#channel = new UnixChannel(ours, { observe: options.observe, direction: "back-end" });
    const answerer = new Answerer(this.#channel, {
      direction: "back-end",
      negotiation: options.negotiation,
      strictness: options.strictness,
      onRefused: options.onProblem,
    });
    void this.#channel.closed.then(({ by, error }) => {
      if (by === "error") options.onProblem(error);
    });
    for (const request of Object.values(BackendRequest)) {
      answerer.onAny(request, (payload, incoming) => {
        const handler = options.handlers[request] as RequestHandler | undefined;
        if (handler !== undefined) return handler(payload, incoming);
        const name = requestSpec("back-end", request)?.name ?? `${request}`;
        throw new ProtocolError(`${name}: this client has no handler for it`, { request: name });
      });
    }
    answerer.start();
  }

  close(): void {
    this.theirs.close();
    this.#channel.close();
  }
}
