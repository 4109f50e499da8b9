import { type OwnedFd, UnixSocket } from "../os/index.ts";
import { BackendRequest } from "../protocol/index.ts";
import { Answerer, type Negotiation, type Strictness } from "../session/index.ts";
import { type FrameObserver, UnixChannel } from "../transport/index.ts";

export interface BackendChannelOptions {
  readonly negotiation: Negotiation;
  readonly strictness: Strictness;
  readonly observe: FrameObserver | undefined;
  /** The device's configuration changed: read it again. */
  readonly onConfigChange: () => void;
  /** A request was refused, or the channel ended because of what came on it. */
  readonly onProblem: (problem: Error) => void;
}

/**
 * The front-end's end of the channel for requests of the back-end. Its loss, and whatever a
 * back-end breaks on it, ends the channel and not the session.
 */
export class BackendChannel {
  readonly #channel: UnixChannel;
  /** To be handed over with SET_BACKEND_REQ_FD, then closed. */
  readonly theirs: OwnedFd;

  constructor(options: BackendChannelOptions) {
    const [ours, theirs] = UnixSocket.pair();
    this.theirs = theirs.detach();
    this.#channel = new UnixChannel(ours, { observe: options.observe });
    const answerer = new Answerer(this.#channel, {
      direction: "back-end",
      negotiation: options.negotiation,
      strictness: options.strictness,
      onRefused: options.onProblem,
    });
    void this.#channel.closed.then(({ by, error }) => {
      if (by === "error") options.onProblem(error);
    });
    answerer.on(BackendRequest.ConfigChangeMsg, () => options.onConfigChange());
    answerer.start();
  }

  close(): void {
    this.theirs.close();
    this.#channel.close();
  }
}
