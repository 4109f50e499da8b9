import { TimeoutError, type WaitOptions } from "../../core/base/index.ts";
import type { OwnedFd } from "../../core/os/index.ts";
import { FrontendRequest, ProtocolFeature, VirtioFeature } from "../../core/protocol/index.ts";
import { connectSocket } from "../../core/transport/index.ts";
import { Flags, type Next, RawPeer, type RawPeerOptions, type Received } from "./raw-peer.ts";

/** The features that {@link RawFrontend.negotiated} acknowledges by default. */
export const RAW_PROTOCOL_FEATURES: bigint =
  ProtocolFeature.Mq |
  ProtocolFeature.ReplyAck |
  ProtocolFeature.BackendReq |
  ProtocolFeature.ResetDevice |
  ProtocolFeature.ConfigureMemSlots |
  ProtocolFeature.Status |
  ProtocolFeature.Config;

/**
 * A front-end that sends any message in any order, for tests of back-ends.
 *
 * @example
 * ```ts
 * import { FrontendRequest } from "vhost-user/protocol";
 * import { RawFrontend } from "vhost-user/testing";
 *
 * const frontend = await RawFrontend.connect("disk.sock");
 * await frontend.send(FrontendRequest.SetMemTable, new Uint8Array(3)); // too short
 * console.log((await frontend.alive()) ? "still served" : "closed");
 * frontend.close();
 * ```
 */
export class RawFrontend extends RawPeer {
  /**
   * Connects and starts reading.
   *
   * @throws {ConnectError | TimeoutError}
   */
  static async connect(
    path: string,
    { reading = true, ...options }: RawPeerOptions & WaitOptions & { reading?: boolean } = {},
  ): Promise<RawFrontend> {
    const frontend = new RawFrontend(await connectSocket(path, options), options);
    if (reading) frontend.read();
    return frontend;
  }

  /** Connects, and acknowledges features without asking for the offer. */
  static async negotiated(
    path: string,
    features: bigint = RAW_PROTOCOL_FEATURES,
  ): Promise<RawFrontend> {
    const frontend = await RawFrontend.connect(path);
    await frontend.send(FrontendRequest.SetProtocolFeatures, features);
    const virtio = VirtioFeature.Version1 | VirtioFeature.ProtocolFeatures;
    await frontend.send(FrontendRequest.SetFeatures, virtio);
    return frontend;
  }

  /**
   * Sends a request with need_reply.
   *
   * @returns the first 64 bits of the reply (0 where it is shorter), or `closed`
   * @throws {TimeoutError} neither came in time
   */
  async ask(
    request: number,
    payload?: unknown,
    fds: readonly OwnedFd[] = [],
  ): Promise<bigint | "closed"> {
    const reply = await this.exchange(request, payload, fds);
    if (reply === "closed") return "closed";
    return reply.payload.length < 8 ? 0n : Buffer.from(reply.payload).readBigUInt64LE(0);
  }

  /** Like {@link ask}, with the whole reply. Replies to other requests are dropped. */
  async exchange(
    request: number,
    payload?: unknown,
    fds: readonly OwnedFd[] = [],
  ): Promise<Received | "closed"> {
    await this.send(request, payload, { flags: Flags.NeedReply, fds });
    for (;;) {
      const reply = expectNoSilence(await this.next(), request, this.timeoutMs);
      if (reply === "closed" || reply.header.request === request) return reply;
    }
  }

  /**
   * Returns whether the back-end answers GET_FEATURES, instead of closing the connection. Replies
   * to other requests are dropped.
   *
   * @throws {TimeoutError} it does neither in time
   */
  async alive(): Promise<boolean> {
    return (await this.exchange(FrontendRequest.GetFeatures)) !== "closed";
  }
}

function expectNoSilence(next: Next, request: number, timeoutMs: number): Received | "closed" {
  if (next !== "silence") return next;
  throw new TimeoutError(
    `request ${request}: neither an answer nor the end of the connection within ${timeoutMs} ms`,
  );
}
