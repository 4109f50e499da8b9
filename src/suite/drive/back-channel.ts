import { UnixSocket } from "../../os/index.ts";
import { FrontendRequest, HeaderFlag, requestSpec } from "../../protocol/index.ts";
import { UnixChannel } from "../../transport/index.ts";
import type { CheckContext } from "../context.ts";
import type { Session } from "./session.ts";

/** The suite's end of a channel for requests of the back-end. */
export class BackChannel {
  /** What is wrong with the messages that came, each in a few words. */
  readonly wrong: string[] = [];
  /** Messages that came. */
  count = 0;
  readonly #channel: UnixChannel;

  /** SET_BACKEND_REQ_FD. @throws {CheckFailure} it is not accepted */
  static async give(t: CheckContext, session: Session): Promise<BackChannel> {
    const [ours, theirs] = UnixSocket.pair();
    const channel = t.closing(new BackChannel(ours));
    const fd = theirs.detach();
    try {
      await session.set(FrontendRequest.SetBackendReqFd, undefined, [fd]);
    } finally {
      fd.close();
    }
    return channel;
  }

  constructor(socket: UnixSocket) {
    this.#channel = new UnixChannel(socket);
    this.#channel.onFrame(async ({ header, fds }) => {
      const { request, flags } = header;
      this.count += 1;
      for (const fd of fds.splice(0)) fd.close();
      if (requestSpec("back-end", request) === undefined) this.wrong.push(`request ${request}`);
      const right = HeaderFlag.VersionMask | HeaderFlag.Reply;
      if ((flags & right) !== HeaderFlag.Version) this.wrong.push(`flags 0x${flags.toString(16)}`);
      if ((flags & HeaderFlag.NeedReply) === 0) return;
      const reply = { request, flags: HeaderFlag.Version | HeaderFlag.Reply, size: 8 };
      await this.#channel.send({ header: reply, payload: new Uint8Array(8), fds: [] });
    });
    void this.#channel.closed.then(({ by, error }) => {
      // What is no message ends the reading of them.
      if (by !== "local" && error.message.includes("expected")) this.wrong.push(error.message);
    });
  }

  /** Idempotent. */
  close(): void {
    this.#channel.close();
  }
}
