import { type OwnedFd, UnixSocket } from "../../../../core/os/index.ts";
import { FrontendRequest, HeaderFlag, requestSpec } from "../../../../core/protocol/index.ts";
import { type Frame, UnixChannel } from "../../../../core/transport/index.ts";
import type { CheckContext } from "./context.ts";
import type { Exchange } from "../exchange.ts";
import { Flags } from "../../../wire/index.ts";
import { type Session } from "./session.ts";

/** Serves a request of the back-end: the acknowledgement; undefined if it is never answered. */
export type ServeBackend = (request: number, payload: Uint8Array) => Promise<bigint | undefined>;

const accept: ServeBackend = async () => 0n;

/** The suite's end of a channel for requests of the back-end. */
export class BackChannel {
  /** Descriptions of the invalid messages that arrived. */
  readonly wrong: string[] = [];
  /** Number of messages that arrived. */
  count = 0;
  readonly #channel: UnixChannel;
  readonly #exchange: Exchange;
  readonly #serve: ServeBackend;

  /**
   * SET_BACKEND_REQ_FD.
   *
   * @param prepare is lent the target's end before it is sent
   * @throws {CaseFailure} it is not accepted
   */
  static async give(
    t: CheckContext,
    session: Session,
    serve: ServeBackend = accept,
    prepare: (fd: OwnedFd) => void = () => undefined,
  ): Promise<BackChannel> {
    const [ours, theirs] = UnixSocket.pair();
    const channel = t.closing(new BackChannel(ours, t.exchange, serve));
    const fd = theirs.detach();
    try {
      prepare(fd);
      await session.set(FrontendRequest.SetBackendReqFd, undefined, [fd]);
    } finally {
      fd.close();
    }
    return channel;
  }

  constructor(socket: UnixSocket, exchange: Exchange, serve: ServeBackend) {
    this.#exchange = exchange;
    this.#serve = serve;
    this.#channel = new UnixChannel(socket, { direction: "back-end" });
    this.#channel.onFrame(async (frame) => this.#take(frame));
    void this.#channel.closed.then(({ by, error }) => {
      // Bytes that are not a message end the reading.
      if (by !== "local" && error.message.includes("expected")) this.wrong.push(error.message);
    });
  }

  /** Releases everything that this object owns. Idempotent. */
  close(): void {
    this.#channel.close();
  }

  async #take({ header, payload, fds }: Frame): Promise<void> {
    const { request, flags } = header;
    this.count += 1;
    this.#exchange.message("back", "<", header, payload, fds.length, "back-end");
    for (const fd of fds.splice(0)) fd.close();
    if (requestSpec("back-end", request) === undefined) this.wrong.push(`request ${request}`);
    const right = HeaderFlag.VersionMask | HeaderFlag.Reply;
    if ((flags & right) !== HeaderFlag.Version) this.wrong.push(`flags 0x${flags.toString(16)}`);
    const ack = await this.#serve(request, payload);
    if (ack === undefined || (flags & HeaderFlag.NeedReply) === 0) return;
    const reply = new Uint8Array(8);
    new DataView(reply.buffer).setBigUint64(0, ack, true);
    const answer = { request, flags: Flags.Reply, size: reply.length };
    this.#exchange.message("back", ">", answer, reply, 0, "back-end");
    await this.#channel.send({ header: answer, payload: reply, fds: [] });
  }
}
