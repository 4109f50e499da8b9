import type { Mutant } from "../mutant.ts";
import { meddles, type SeenRequest } from "../seen-request.ts";

/** Changes what the device has delivered. */
const delivers = (summary: string, change: (request: SeenRequest) => void): Mutant =>
  meddles(summary, { served: (request) => change(request) }, "rng");

/** A device that did not write to a buffer leaves what was there before. */
const UNWRITTEN = 0xa5;

export const rng: Readonly<Record<string, Mutant>> = {
  "rng/1": meddles("completes requests without any bytes", { served: () => 0 }, "rng"),
  "rng/2": delivers("reports more bytes than it writes", ({ writable }) => {
    for (const buffer of writable) buffer.subarray(buffer.length / 2).fill(UNWRITTEN);
  }),
  "rng/6": delivers("fills the first buffer of a chain only", ({ writable: [, ...rest] }) => {
    for (const buffer of rest) buffer.fill(UNWRITTEN);
  }),
  "rng/3": delivers("delivers the same bytes each time", ({ writable }) => {
    for (const buffer of writable) buffer.forEach((_, i) => (buffer[i] = (i * 167) & 0xff));
  }),
  "rng/4": delivers("delivers 7-bit characters", ({ writable }) => {
    for (const buffer of writable) buffer.forEach((byte, i) => (buffer[i] = byte & 0x7f));
  }),
  "rng/5": meddles(
    "dies by SIGSEGV of a request without room",
    {
      arrives: ({ writable }, world) => {
        if (writable.length === 0) world.crash("SIGSEGV");
      },
    },
    "rng",
  ),
};
