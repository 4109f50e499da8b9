import { FrontendRequest, requestSpec } from "../../core/protocol/index.ts";
import type { Frame } from "../../core/transport/index.ts";
import type { Fault } from "./fault.ts";
import { changed, replyFault } from "./reply-fault.ts";

const isAcknowledgement = ({ header }: Frame): boolean =>
  requestSpec("front-end", header.request)?.reply.rule === "ack";

/** Replies whose payload is wrong. */
export const payloadFaults: readonly Fault[] = [
  replyFault({
    name: "short-payload",
    summary: "leaves out the last byte of a reply's payload",
    breaks: "Message specification",
    when: ({ payload }) => payload.length > 0,
    send: async (frame, channel) =>
      channel.send(changed(frame, { payload: frame.payload.subarray(0, -1) })),
  }),
  replyFault({
    name: "long-payload",
    summary: "puts 8 bytes more behind a reply's payload",
    breaks: "Message specification",
    send: async (frame, channel) => {
      const payload = new Uint8Array(frame.payload.length + 8).fill(0xee);
      payload.set(frame.payload);
      return channel.send(changed(frame, { payload }));
    },
  }),
  replyFault({
    name: "ack-failure",
    summary: "does what is asked and acknowledges it with 1, which means that it failed",
    when: isAcknowledgement,
    send: async (frame, channel) =>
      channel.send(changed(frame, { payload: Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0) })),
  }),
  replyFault({
    name: "config-wrong-size-field",
    summary: "answers GET_CONFIG with a size field of 4 more bytes than the answer has",
    breaks: "Virtio device config space",
    when: ({ header, payload }) =>
      header.request === FrontendRequest.GetConfig && payload.length >= 12,
    send: async (frame, channel) => {
      const payload = frame.payload.slice();
      const view = new DataView(payload.buffer);
      view.setUint32(4, view.getUint32(4, true) + 4, true);
      return channel.send(changed(frame, { payload }));
    },
  }),
];
