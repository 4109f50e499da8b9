import { setNonBlocking } from "../../../../../../src/core/os/index.ts";
import { FrontendRequest } from "../../../../../../src/core/protocol/index.ts";
import type { Frame } from "../../../../../../src/core/transport/index.ts";
import { type Mutant, throughChannel, throughHandler } from "../mutant.ts";

const { GetFeatures, SetMemTable, SetVringCall, SetVringKick } = FrontendRequest;

/** Keeps the descriptors of some messages for ever. */
const keeps = (summary: string, when: (frame: Frame) => boolean): Mutant =>
  throughChannel(`keeps ${summary}`, (world) => ({
    received: (frame) => {
      if (when(frame)) for (const fd of frame.fds) world.leak(fd.duplicate());
      return frame;
    },
  }));

export const fd: Readonly<Record<string, Mutant>> = {
  "fd/1": keeps("descriptors that it did not ask for", (frame) => {
    return frame.header.request === GetFeatures && frame.fds.length === 4;
  }),
  "fd/2": keeps("descriptors that are too many", ({ header }) => header.request === GetFeatures),
  "fd/5": throughHandler("takes no descriptor for one", () => ({
    [SetVringKick]: (plain) => (payload, incoming) =>
      incoming.fds.length === 0 ? undefined : plain(payload, incoming),
  })),
  "fd/6": keeps("the call descriptors of before", ({ header }) => header.request === SetVringCall),
  "fd/11": throughHandler("makes every call descriptor non-blocking", () => ({
    [SetVringCall]: (plain) => (payload, incoming) => {
      for (const { fd: call } of incoming.fds) setNonBlocking(call, true);
      return plain(payload, incoming);
    },
  })),
  "fd/7": keeps("the descriptors of memory", ({ header }) => header.request === SetMemTable),
};
