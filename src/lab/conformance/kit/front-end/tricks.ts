import { delay } from "../../../../core/base/index.ts";
import { UnixSocket } from "../../../../core/os/index.ts";
import type { BackendHooks } from "../../../../endpoints/backend/index.ts";
import { FrontendRequest, HEADER_SIZE, HeaderFlag } from "../../../../core/protocol/index.ts";
import { type Frame, frameBytes } from "../../../../core/transport/index.ts";
import { type Interception, Interceptor } from "../../../wire/index.ts";
import { Session } from "../back-end/session.ts";
import type { FrontendContext } from "./context.ts";

type RequestHandler = ReturnType<NonNullable<BackendHooks["handler"]>>;

/**
 * Hooks of a mock whose messages are tampered with.
 *
 * @param make once a connection
 */
export function passing(make: () => Interception): Pick<BackendHooks, "channel"> {
  return { channel: (inner) => new Interceptor(inner, make()) };
}

/** Hooks of a mock that serves one request in its own way. */
export function serving(
  requests: Readonly<Partial<Record<number, (plain: RequestHandler) => RequestHandler>>>,
): Pick<BackendHooks, "handler"> {
  return { handler: (request, plain) => requests[request]?.(plain) ?? plain };
}

/** Splits replies within the header, after it, and within the payload. */
export function inParts(gapMs: number): Interception {
  return {
    send: async (frame, channel) => {
      const bytes = frameBytes(frame);
      const ends = [1, HEADER_SIZE, HEADER_SIZE + 1, bytes.length];
      let start = 0;
      for (const end of ends) {
        const fds = start === 0 ? frame.fds : [];
        if (start < end) await channel.sendBytes(bytes.subarray(start, end), fds);
        start = end;
        await delay(gapMs);
      }
    },
  };
}

/** Acknowledges each request of this kind that asks for it with "failed". */
export function refusing(request: number): Interception {
  return {
    received: (frame, channel) => {
      const { header } = frame;
      if (header.request !== request || (header.flags & HeaderFlag.NeedReply) === 0) return frame;
      const payload = new Uint8Array(8).fill(1, 0, 1);
      const flags = HeaderFlag.Version | HeaderFlag.Reply;
      void channel.send({ header: { request, flags, size: payload.length }, payload, fds: [] });
      return undefined;
    },
  };
}

/** Changes the replies to a request. */
export function replying(request: number, change: (frame: Frame) => Frame): Interception {
  return {
    send: async (frame, channel) =>
      channel.send(frame.header.request === request ? change(frame) : frame),
  };
}

/** Closes the connection instead of serving its message number `k`, from 0. */
export function closingAt(k: number): Interception {
  let count = 0;
  return {
    received: (frame, channel) => {
      count += 1;
      if (count <= k) return frame;
      channel.close();
      return undefined;
    },
  };
}

/**
 * The suite has the channel for a back-end's requests to itself.
 *
 * @returns the hooks, and the channel of the newest connection, once the front-end has given one
 */
export function ownBackChannel(t: FrontendContext): {
  readonly hooks: Pick<BackendHooks, "handler">;
  readonly channel: () => Session | undefined;
} {
  let latest: Session | undefined;
  const take = (): RequestHandler => (_payload, incoming) => {
    const fd = incoming.fds.shift();
    if (fd === undefined) return;
    const socket = UnixSocket.adopt(fd);
    latest = t.closing(new Session("back", socket, t.exchange, t.times, "back-end"));
    latest.read();
  };
  return {
    hooks: serving({ [FrontendRequest.SetBackendReqFd]: take }),
    channel: () => latest,
  };
}
