import { FrontendRequest, HeaderFlag } from "../../core/protocol/index.ts";
import { frameBytes } from "../../core/transport/index.ts";
import type { Fault } from "./fault.ts";
import { changed, replyFault } from "./reply-fault.ts";

/** Replies whose header is wrong. */
export const headerFaults: readonly Fault[] = [
  replyFault({
    name: "wrong-request-number",
    summary: "replies under the number of another request",
    breaks: "Header",
    send: async (frame, channel) => {
      const other =
        frame.header.request === FrontendRequest.GetFeatures
          ? FrontendRequest.SetFeatures
          : FrontendRequest.GetFeatures;
      return channel.send(changed(frame, { request: other }));
    },
  }),
  replyFault({
    name: "wrong-version",
    summary: "replies with version 2 in the header",
    breaks: "Header",
    send: async (frame, channel) =>
      channel.send(changed(frame, { flags: (frame.header.flags & ~HeaderFlag.VersionMask) | 2 })),
  }),
  replyFault({
    name: "missing-reply-flag",
    summary: "replies without the reply flag",
    breaks: "Header",
    send: async (frame, channel) =>
      channel.send(changed(frame, { flags: frame.header.flags & ~HeaderFlag.Reply })),
  }),
  replyFault({
    name: "need-reply-echoed",
    summary: "replies with flags 0xd, as libvhost-user does when it was asked with need_reply",
    breaks: "Header",
    send: async (frame, channel) =>
      channel.send(changed(frame, { flags: frame.header.flags | HeaderFlag.NeedReply })),
  }),
  replyFault({
    name: "reserved-flags",
    summary: "replies with reserved flag bits set",
    breaks: "Header",
    send: async (frame, channel) =>
      channel.send(changed(frame, { flags: (frame.header.flags | 0xffff_fff0) >>> 0 })),
  }),
  replyFault({
    name: "wrong-size-field",
    summary: "announces another number of payload bytes than follows",
    breaks: "Header",
    parameter: {
      summary: "bytes more (or, below 0, fewer) than follow",
      standard: 8,
      min: -4096,
      max: 0x7fff_0000,
    },
    send: async (frame, channel, difference) => {
      const bytes = frameBytes(frame);
      const size = Math.max(0, frame.payload.length + difference);
      new DataView(bytes.buffer).setUint32(8, size, true);
      return channel.sendBytes(bytes, frame.fds);
    },
  }),
];
