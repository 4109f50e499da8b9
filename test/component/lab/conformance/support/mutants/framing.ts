import type { OwnedFd } from "../../../../../../src/core/os/index.ts";
import { FrontendRequest } from "../../../../../../src/core/protocol/index.ts";
import type { Incoming } from "../../../../../../src/core/session/index.ts";
import { crashesOn, type Mutant, throughBytes, throughHandler } from "../mutant.ts";

const { SetVringCall, SetVringKick } = FrontendRequest;
const HEADER_BYTES = 12;

/** As libvhost-user does: one receive for a header, one for a payload. */
const inOneReceive = (what: string, bad: (bytes: Uint8Array) => boolean): Mutant =>
  throughBytes(`takes ${what} that does not come at once for the end`, () => ({
    chunk: (chunk) => (bad(chunk.bytes) ? undefined : chunk),
  }));

/** A header alone whose message has a payload. */
const lacksPayload = (bytes: Uint8Array): boolean =>
  bytes.length === HEADER_BYTES && Buffer.from(bytes).readUInt32LE(8) > 0;

/** Dies where a connection ends in the middle of a message. */
const diesAtEnd = (part: string, ...lengths: readonly number[]): Mutant =>
  throughBytes(`dies where a connection ends in the middle of a ${part}`, (world) => {
    let last = 0;
    return {
      chunk: (chunk) => {
        last = chunk.bytes.length;
        return chunk;
      },
      end: () => {
        if (lengths.includes(last)) world.crash("SIGABRT");
        return true;
      },
    };
  });

export const framing: Readonly<Record<string, Mutant>> = {
  "framing/1": inOneReceive("a header", ({ length }) => length === 6),
  "framing/2": inOneReceive("a header", ({ length }) => length === 1),
  "framing/3": inOneReceive("a payload", lacksPayload),
  "framing/4": inOneReceive("a payload", ({ length }) => length < HEADER_BYTES),
  "framing/5": throughBytes("drops what comes in one segment behind a message", () => ({
    chunk: ({ bytes, fds }) => ({
      bytes: bytes.length === 5 * HEADER_BYTES ? bytes.subarray(0, HEADER_BYTES) : bytes,
      fds,
    }),
  })),
  "framing/6": throughBytes("drops a message that a segment does not end with", () => ({
    chunk: ({ bytes, fds }) => ({
      bytes: bytes.length === 18 ? bytes.subarray(0, HEADER_BYTES) : bytes,
      fds,
    }),
  })),
  "framing/7": throughBytes("loses descriptors that do not come with a whole header", () => ({
    chunk: ({ bytes, fds }) => ({ bytes, fds: bytes.length < HEADER_BYTES ? [] : fds }),
  })),
  "framing/8": throughBytes("keeps descriptors that come with a payload", (world) => ({
    chunk: ({ bytes, fds }) => {
      if (bytes.length !== 8) return { bytes, fds };
      for (const fd of fds) world.leak(fd.duplicate());
      return { bytes, fds: [] };
    },
  })),
  "framing/9": throughHandler("gives a message the descriptor of its neighbour", () => {
    const called = new WeakSet<object>();
    const kicks = new WeakMap<object, (incoming: Incoming) => unknown>();
    const held = new WeakMap<object, OwnedFd[]>();
    return {
      [SetVringKick]: (plain, session) => (payload, incoming) => {
        // The usual order has the call first.
        if (called.has(session())) return plain(payload, incoming);
        held.set(session(), incoming.fds.splice(0));
        kicks.set(session(), (other) => plain(payload, other));
        return undefined;
      },
      [SetVringCall]: (plain, session) => async (payload, incoming) => {
        called.add(session());
        const kick = kicks.get(session());
        kicks.delete(session());
        const fds = held.get(session()) ?? [];
        if (kick === undefined) return plain(payload, incoming);
        await plain(payload, { fds, replyFds: [] });
        await kick(incoming);
        return undefined;
      },
    };
  }),
  "framing/10": diesAtEnd("header", 5),
  "framing/11": diesAtEnd("payload", 3, 15),
  "framing/12": throughBytes("does not see that its peer has ended its direction", () => ({
    end: () => false,
  })),
  "framing/13": (() => {
    let count = 0;
    return crashesOn("its 100th message", () => (count += 1) >= 100, "SIGKILL");
  })(),
};
