import { asError } from "../../core/base/index.ts";
import type { UnixSocket } from "../../core/os/index.ts";
import { HeaderFlag, requestSpec } from "../../core/protocol/index.ts";
import { Flags, RawPeer, type Received } from "../wire/index.ts";
import type { MessageEvent } from "../trace/index.ts";

const OK = new Uint8Array(8);

/**
 * The front-end's end of the back-end channel while a session is replayed: what the back-end asks is
 * answered as it was, or by success. When it asks depends on the rings, so it is not compared.
 */
export class AnsweringChannel {
  readonly #peer: RawPeer;
  readonly #answers: MessageEvent[];
  #served = 0;

  /**
   * @param socket taken over
   * @param answers the recorded replies of the front-end, in order
   */
  constructor(socket: UnixSocket, answers: readonly MessageEvent[]) {
    this.#answers = [...answers];
    this.#peer = new RawPeer(socket, { direction: "back-end" });
    this.#peer.read();
    void this.#serve().catch((error: unknown) => asError(error));
  }

  /** Number of requests of the back-end. */
  get served(): number {
    return this.#served;
  }

  close(): void {
    this.#peer.close();
  }

  async #serve(): Promise<void> {
    while (!this.#peer.closed) {
      const next = await this.#peer.next();
      if (typeof next === "string") continue;
      this.#served += 1;
      await this.#answer(next);
    }
  }

  async #answer({ header: { request, flags } }: Received): Promise<void> {
    const own = requestSpec("back-end", request)?.reply.rule === "own";
    if (!own && (flags & HeaderFlag.NeedReply) === 0) return;
    const at = this.#answers.findIndex(({ header }) => header.request === request);
    const recorded = at < 0 ? undefined : this.#answers.splice(at, 1)[0];
    await this.#peer.send(request, recorded?.payload ?? OK, { flags: Flags.Reply });
  }
}
