import { HeaderFlag } from "../../core/protocol/index.ts";
import type { Channel, Frame } from "../../core/transport/index.ts";
import { Interceptor } from "../wire/index.ts";
import type { ChannelFault } from "./fault.ts";

/** The properties in which faults of replies differ. */
export interface ReplyFaultShape extends Pick<
  ChannelFault,
  "name" | "summary" | "breaks" | "parameter"
> {
  /** Replaces the sending of the reply. */
  readonly send: (frame: Frame, channel: Channel, parameter: number) => Promise<void>;
  /** Strikes these replies only. */
  readonly when?: (frame: Frame) => boolean;
}

/** A fault of replies, aimed by the request that they answer. */
export function replyFault({ send, when = () => true, ...shape }: ReplyFaultShape): ChannelFault {
  return {
    ...shape,
    where: "channel",
    takesRequest: true,
    wrap: (channel, aim, parameter) =>
      new Interceptor(channel, {
        send: async (frame, inner) =>
          isReply(frame) && when(frame) && aim.hits(frame.header.request)
            ? send(frame, inner, parameter)
            : inner.send(frame),
      }),
  };
}

function isReply({ header }: Frame): boolean {
  return (header.flags & HeaderFlag.Reply) !== 0;
}

/** Returns the frame with parts of it replaced; the size field follows the payload. */
export function changed(
  frame: Frame,
  change: { request?: number; flags?: number; payload?: Uint8Array },
): Frame {
  const payload = change.payload ?? frame.payload;
  const { request, flags } = { ...frame.header, ...change };
  return { header: { request, flags, size: payload.length }, payload, fds: frame.fds };
}
