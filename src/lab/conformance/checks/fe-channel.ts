import { EventFd } from "../../../core/os/index.ts";
import { BackendRequest, requestSpec } from "../../../core/protocol/index.ts";
import type { FrontendCheck } from "../kit/check.ts";
import { Flags } from "../../wire/index.ts";
import { nameOf, type Session } from "../kit/back-end/session.ts";
import type { FrontendContext, MockedFrontend } from "../kit/front-end/context.ts";
import type { Conversation } from "../kit/front-end/mock.ts";
import { ownBackChannel, passing } from "../kit/front-end/tricks.ts";
import { SharedFiles } from "../kit/shared-files.ts";

/** A request number that no specification defines. */
const UNKNOWN = 99;
const OVERSIZE = 2 ** 31;
/** BACKEND_VRING_ERR is last: a front-end that serves it stops its ring. */
const BACKEND_REQUESTS: readonly BackendRequest[] = [
  ...Object.values(BackendRequest).filter((request) => request !== BackendRequest.VringErr),
  BackendRequest.VringErr,
];

/** Starts a front-end and returns it with its back-end channel, once its rings run. */
export async function withBackChannel(
  t: FrontendContext,
): Promise<{ channel: Session; frontend: MockedFrontend; conversation: Conversation }> {
  const own = ownBackChannel(t);
  const frontend = await t.meet(own.hooks);
  const channel = own.channel() ?? t.skip("the front-end sends no SET_BACKEND_REQ_FD");
  const [conversation] = frontend.mock.conversations.slice(-1);
  if (conversation === undefined) throw new TypeError("a channel and no conversation");
  return { channel, frontend, conversation };
}

const zeros = (request: number): Uint8Array =>
  new Uint8Array(requestSpec("back-end", request)?.payload.minSize ?? 0);

/** Malformed requests of a back-end, each for a connection of its own. */
const MALFORMED: readonly {
  readonly what: string;
  readonly send: (channel: Session) => Promise<void>;
}[] = [
  {
    what: "a size of 2^31",
    send: async (channel) =>
      channel.send(BackendRequest.ConfigChangeMsg, undefined, { size: OVERSIZE }),
  },
  {
    what: "descriptors with BACKEND_CONFIG_CHANGE_MSG",
    send: async (channel) => {
      using event = EventFd.create();
      const fds = [event.descriptor, event.descriptor, event.descriptor, event.descriptor];
      await channel.send(BackendRequest.ConfigChangeMsg, undefined, { fds });
    },
  },
  {
    what: "BACKEND_SHMEM_MAP without a descriptor, at the end of all addresses",
    send: async (channel) =>
      channel.send(BackendRequest.ShmemMap, zeros(BackendRequest.ShmemMap).fill(0xff)),
  },
  {
    what: "a doorbell for ring 255",
    send: async (channel) => {
      const payload = zeros(BackendRequest.VringHostNotifierMsg);
      payload[0] = 255;
      await channel.send(BackendRequest.VringHostNotifierMsg, payload, { flags: Flags.NeedReply });
    },
  },
];

/** Checks of the back-end channel. */
export const feChannel: readonly FrontendCheck[] = [
  {
    id: "fe/34",
    title: "requests of the back-end are answered, unknown ones by an error",
    strength: "MUST",
    section: "Back-end message types",
    observes: ["reply"],
    async run(t) {
      const { channel } = await withBackChannel(t);
      for (const request of [UNKNOWN, ...BACKEND_REQUESTS]) {
        const name = requestSpec("back-end", request)?.name ?? `request ${request}`;
        const payload = request === UNKNOWN ? new Uint8Array(8) : zeros(request);
        await channel.send(request, payload, { flags: Flags.NeedReply });
        const { header, payload: answer } = await channel.expectNext(name);
        t.expect(
          `the answer to ${name}`,
          [header.request, header.flags, header.size],
          [request, Flags.Reply, 8],
        );
        if (request !== UNKNOWN) continue;
        const ack = Buffer.from(answer).readBigUInt64LE(0);
        t.expectThat(`the answer to ${name}`, ack !== 0n, "non-zero: it is unknown", ack);
      }
    },
  },
  {
    id: "fe/35",
    title: "a malformed request of the back-end ends its channel at most",
    strength: "ROBUSTNESS",
    section: "Back-end message types",
    observes: ["service"],
    // A front-end that starts no ring is waited for each time.
    slow: 3,
    async run(t) {
      for (const { what, send } of MALFORMED) {
        const { channel, frontend, conversation } = await withBackChannel(t);
        await send(channel);
        // An answer, if there is one, precedes the answer to the next request.
        await channel.send(UNKNOWN, new Uint8Array(8), { flags: Flags.NeedReply });
        await channel.ends();
        await t.survives(frontend, `after ${what}`);
        t.expectThat(
          `after ${what}`,
          !conversation.closed,
          "a session that stays open",
          "it is closed",
        );
        await t.leave(frontend);
      }
    },
  },
  {
    id: "fe/60",
    title: "the mode of the back-end's descriptors is not changed",
    strength: "SHOULD",
    section: "Communication",
    observes: ["start"],
    async run(t) {
      const files = t.closing(new SharedFiles());
      await t.meet(
        passing(() => ({
          send: async (frame, channel) => {
            for (const fd of frame.fds) files.watch(nameOf(frame.header.request), fd);
            return channel.send(frame);
          },
        })),
      );
      if (files.count === 0) t.skip("it asks for nothing that comes with a descriptor");
      const { changed } = files;
      const what = "descriptors that the back-end sent";
      t.expectThat(what, changed.length === 0, "unchanged", changed.join("; "));
    },
  },
];
