import { EventFd } from "../../core/os/index.ts";
import { HEADER_SIZE } from "../../core/protocol/index.ts";
import { frameBytes } from "../../core/transport/index.ts";
import type { Fault } from "./fault.ts";
import { replyFault } from "./reply-fault.ts";

/** Runs with a few descriptors that mean nothing. */
async function withJunk(
  count: number,
  use: (junk: EventFd["descriptor"][]) => Promise<void>,
): Promise<void> {
  const events: EventFd[] = [];
  try {
    for (let i = 0; i < count; i += 1) events.push(EventFd.create());
    await use(events.map(({ descriptor }) => descriptor));
  } finally {
    for (const event of events) event.close();
  }
}

/** Replies with too many, too few or misplaced descriptors. */
export const descriptorFaults: readonly Fault[] = [
  replyFault({
    name: "extra-descriptors",
    summary: "sends descriptors with a reply that has none",
    breaks: "Communication",
    parameter: { summary: "descriptors", standard: 3, min: 1, max: 200 },
    send: async (frame, channel, count) =>
      withJunk(count, async (junk) => channel.send({ ...frame, fds: [...frame.fds, ...junk] })),
  }),
  replyFault({
    name: "missing-descriptor",
    summary: "leaves out the descriptors of a reply",
    breaks: "Communication",
    when: ({ fds }) => fds.length > 0,
    send: async (frame, channel) => channel.send({ ...frame, fds: [] }),
  }),
  replyFault({
    name: "descriptors-after-first-byte",
    summary: "sends a descriptor along with a reply's payload and not with its header",
    breaks: "Communication",
    when: ({ payload }) => payload.length > 0,
    send: async (frame, channel) =>
      withJunk(1, async (junk) => {
        const bytes = frameBytes(frame);
        // A cut within the header would have no effect: one recvmsg of 12 bytes receives both parts.
        await channel.sendBytes(bytes.subarray(0, HEADER_SIZE), []);
        await channel.sendBytes(bytes.subarray(HEADER_SIZE), junk);
      }),
  }),
];
