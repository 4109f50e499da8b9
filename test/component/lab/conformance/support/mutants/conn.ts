import { delay } from "../../../../../../src/core/base/index.ts";
import type { BackendSession } from "../../../../../../src/endpoints/backend/index.ts";
import { FrontendRequest } from "../../../../../../src/core/protocol/index.ts";
import type { Channel, Frame } from "../../../../../../src/core/transport/index.ts";
import { type Mutant, throughChannel } from "../mutant.ts";
import { EventFd, Mapping } from "../../../../../../src/core/os/index.ts";

const { GetVringBase, SetMemTable, SetVringKick } = FrontendRequest;

const PAGE = 4096;

/** Keeps a descriptor of each session that comes so far. */
const leaks = (fault: string, request?: number): Mutant => ({
  fault,
  apply: (options, world) => ({
    ...options,
    channel: (inner) => {
      if (request === undefined) world.leak(EventFd.create().descriptor);
      return inner;
    },
    handler: (number, plain) => (payload, incoming) => {
      if (number === request) world.leak(EventFd.create().descriptor);
      return plain(payload, incoming);
    },
  }),
});

/** Keeps a mapping of each region that comes, beside its own. */
export const keepsMappings: Mutant = {
  fault: "keeps mappings of memory that it was given",
  apply: (options, world) => ({
    ...options,
    handler: (number, plain) => (payload, incoming) => {
      const fds = number === SetMemTable ? incoming.fds : [];
      for (const { fd } of fds) {
        const mapping = Mapping.map(fd, { offset: 0, length: PAGE, writable: true });
        world.leak({ close: () => mapping.unmap() });
      }
      return plain(payload, incoming);
    },
  }),
};

/**
 * A program that neither ignores SIGPIPE nor sends with MSG_NOSIGNAL.
 *
 * @param delayMs how long it takes for each answer
 */
export const diesOfSigpipe = (delayMs = 0): Mutant =>
  throughChannel("dies by SIGPIPE of an answer that it cannot send", (world) => {
    let before: Promise<unknown> = Promise.resolve();
    const send = async (frame: Frame, channel: Channel): Promise<void> => {
      await before.catch(() => undefined);
      if (delayMs > 0) await delay(delayMs);
      return channel.send(frame).catch(async (error: unknown) => {
        const { by } = await channel.closed;
        if (by !== "local") world.crash("SIGPIPE");
        throw error;
      });
    };
    return {
      send: async (frame, channel) => {
        const sending = send(frame, channel);
        before = sending;
        return sending;
      },
    };
  });

export const conn: Readonly<Record<string, Mutant>> = {
  "conn/1": leaks("keeps a descriptor of each connection"),
  "conn/2": leaks("keeps a descriptor of each session with rings", SetVringKick),
  "conn/3": throughChannel("dies by SIGSEGV where a front-end goes and rings run", (world) => {
    let running = 0;
    let watched = false;
    return {
      received: (frame, channel) => {
        if (frame.header.request === SetVringKick) running += 1;
        if (frame.header.request === GetVringBase) running -= 1;
        if (!watched) void channel.closed.then(() => running > 0 && world.crash("SIGSEGV"));
        watched = true;
        return frame;
      },
    };
  }),
  "conn/8": diesOfSigpipe(),
  "conn/4": {
    fault: "ends the session before for each that comes",
    apply: (options) => {
      let last: BackendSession | undefined;
      return {
        ...options,
        onSession: (session) => {
          last?.close();
          last = session;
        },
      };
    },
  },
};
