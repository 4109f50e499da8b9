import type { NullTarget } from "./null-targets.ts";

/** Checks that a target passes rightly although it does nothing, with the reason. */
interface Earned {
  readonly why: string;
  readonly checks: string;
}

/** Of targets whose main socket is that of a healthy back-end: only their rings are at fault. */
const MAIN_SOCKET: readonly Earned[] = [
  {
    why: "the reply has the right form, order and flags, and no ring is needed for it",
    checks: "header/1 header/2 header/3 header/4 header/5 header/6 header/8 ack/1 ack/4",
  },
  {
    why: "nothing came before the reply to a later request",
    checks: "ack/2 ack/3",
  },
  {
    why: "a wrong message was refused, and a right one is answered",
    checks: "header/7 header/11 ack/5 ack/6 features/7 proto/9 proto/10 proto/12",
  },
  {
    why: "the offer was read, and is consistent",
    checks:
      "features/1 features/2 features/3 features/4 features/5 features/12 features/16 features/17 " +
      "proto/1 proto/2 proto/3 proto/4 proto/6 proto/7 proto/11 proto/15",
  },
  {
    why: "the values were read, and are right",
    checks:
      "mq/1 slot/1 slot/2 config/1 config/2 config/3 config/4 config/6 blk/1 blk/21 blk/31 " +
      "status/1 status/2 stop/8 inflight/1 inflight/2 inflight/3",
  },
  {
    why: "the request was accepted, and the session goes on; what it is for is for other checks",
    checks: "chan/1 log/1 reset/8",
  },
];

export const earnedPasses: Readonly<Record<NullTarget, readonly Earned[]>> = {
  "moves no data": [
    ...MAIN_SOCKET,
    {
      why: "the status is right, and such a request has no data",
      checks: "blk/8 blk/10 blk/14 blk/16 blk/32",
    },
  ],
  "never completes": MAIN_SOCKET,
  "completes at random": [
    ...MAIN_SOCKET,
    {
      why: "its only requests have no data, and completed with the right status by chance",
      checks: "blk/8 blk/10 blk/14 blk/16 blk/32",
    },
  ],
  zeroes: [
    {
      why: "the reply has the right form and flags: that it is always zero is for other checks",
      checks: "header/1 header/2 header/4 header/8 ack/4 proto/1",
    },
    {
      why: "nothing is offered, so that nothing of it is wrong: features/2 and proto/4 want more",
      checks: "features/4 features/17 proto/3 proto/7",
    },
  ],
  closes: [],
  silent: [],
};
