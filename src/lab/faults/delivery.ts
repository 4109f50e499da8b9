import { delay } from "../../core/base/index.ts";
import { FrontendRequest, HeaderFlag } from "../../core/protocol/index.ts";
import { type Channel, frameBytes } from "../../core/transport/index.ts";
import { Interceptor } from "../wire/index.ts";
import type { Fault } from "./fault.ts";
import { replyFault } from "./reply-fault.ts";

const ACKNOWLEDGED = new Uint8Array(8);

async function acknowledge(channel: Channel, request: number): Promise<void> {
  const header = { request, flags: HeaderFlag.Version | HeaderFlag.Reply, size: 8 };
  return channel.send({ header, payload: ACKNOWLEDGED, fds: [] });
}

/** Ends early with the channel, so that nothing outlives the session. */
async function delayWhileOpen(channel: Channel, ms: number): Promise<void> {
  const ended = new AbortController();
  void channel.closed.then(() => ended.abort());
  await delay(ms, ended.signal).catch(() => undefined);
}

/** Replies that come wrongly or not at all. */
export const deliveryFaults: readonly Fault[] = [
  replyFault({
    name: "close-before-reply",
    summary: "closes the connection instead of replying",
    send: async (_frame, channel) => channel.close(),
  }),
  replyFault({
    name: "cut-reply",
    summary: "closes the connection in the middle of a reply",
    breaks: "Message specification",
    parameter: { summary: "bytes of it that are still sent", standard: 6, min: 1, max: 4108 },
    send: async (frame, channel, count) => {
      await channel.sendBytes(frameBytes(frame).subarray(0, count), frame.fds);
      channel.close();
    },
  }),
  replyFault({
    name: "no-reply",
    summary: "never replies",
    breaks: "Communication",
    send: async () => undefined,
  }),
  replyFault({
    name: "late-reply",
    summary: "replies late; requests behind it wait as well",
    parameter: { summary: "milliseconds", standard: 1000, min: 1, max: 3_600_000 },
    send: async (frame, channel, ms) => {
      // The descriptors are only borrowed until this function returns.
      const fds = frame.fds.map((fd) => fd.duplicate());
      try {
        await delayWhileOpen(channel, ms);
        await channel.send({ ...frame, fds });
      } finally {
        for (const fd of fds) fd.close();
      }
    },
  }),
  replyFault({
    name: "unasked-reply",
    summary: "sends a reply to a request that was not made, before the one that is due",
    breaks: "Communication",
    send: async (frame, channel) => {
      const other =
        frame.header.request === FrontendRequest.SetOwner
          ? FrontendRequest.SetFeatures
          : FrontendRequest.SetOwner;
      await acknowledge(channel, other);
      await channel.send(frame);
    },
  }),
  replyFault({
    name: "two-replies",
    summary: "sends every reply twice",
    breaks: "Communication",
    send: async (frame, channel) => {
      await channel.send(frame);
      await channel.send(frame);
    },
  }),
  replyFault({
    name: "split-reply",
    summary: "sends a reply byte by byte, which a stream socket allows",
    send: async (frame, channel) => {
      const bytes = frameBytes(frame);
      for (let at = 0; at < bytes.length; at += 1) {
        await channel.sendBytes(bytes.subarray(at, at + 1), at === 0 ? frame.fds : []);
      }
    },
  }),
  replyFault({
    name: "request-on-main-socket",
    summary: "sends a request of its own on the main socket, before the reply that is due",
    breaks: "Back-end communication",
    send: async (frame, channel) => {
      const header = { request: FrontendRequest.GetFeatures, flags: HeaderFlag.Version, size: 0 };
      await channel.send({ header, payload: new Uint8Array(0), fds: [] });
      await channel.send(frame);
    },
  }),
  {
    name: "ack-without-asking",
    summary: "acknowledges also requests that did not ask for it",
    breaks: "REPLY_ACK",
    where: "channel",
    takesRequest: true,
    wrap: (channel, aim) =>
      new Interceptor(channel, {
        handled: async (request, answered, inner) => {
          if (!answered && aim.hits(request)) await acknowledge(inner, request);
        },
      }),
  },
];
