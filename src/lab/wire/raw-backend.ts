import type { OwnedFd } from "../../core/os/index.ts";
import { type Header, requestSpec } from "../../core/protocol/index.ts";
import { SocketServer } from "../../core/transport/index.ts";
import { Flags, RawPeer, type RawPeerOptions } from "./raw-peer.ts";

/**
 * A back-end that answers any message in any way, for tests of front-ends.
 *
 * @example
 * ```ts
 * import { RawBackend } from "vhost-user/testing";
 *
 * const server = await RawBackend.listen("raw.sock", async (backend) => {
 *   const first = await backend.next();
 *   if (typeof first !== "string") await backend.reply(first.header, new Uint8Array(3)); // too short
 * });
 * server.close();
 * ```
 */
export class RawBackend extends RawPeer {
  /** Listens, and hands out each connection, which is read from the start. */
  static async listen(
    path: string,
    onConnection: (backend: RawBackend) => void | Promise<void>,
    options: RawPeerOptions = {},
  ): Promise<SocketServer> {
    return SocketServer.listen(path, (socket) => {
      const backend = new RawBackend(socket, options);
      backend.read();
      void onConnection(backend);
    });
  }

  /**
   * Replies to a request.
   *
   * @param payload bytes, or a value for the codec of the request's own reply
   */
  async reply(
    { request }: Pick<Header, "request">,
    payload: unknown,
    fds: readonly OwnedFd[] = [],
  ): Promise<void> {
    const codec = requestSpec(this.direction, request)?.reply.codec;
    const bytes = payload instanceof Uint8Array ? payload : codec?.encode(payload);
    await this.send(request, bytes, { flags: Flags.Reply, fds });
  }
}
