import { type OwnedFd, UnixSocket } from "../../core/os/index.ts";
import { BackendRequest, FrontendRequest, HeaderFlag } from "../../core/protocol/index.ts";
import { type Channel, UnixChannel } from "../../core/transport/index.ts";
import { Interceptor } from "../wire/index.ts";
import type { Fault, FaultParameter } from "./fault.ts";

const COUNT: Omit<FaultParameter, "standard"> = {
  summary: "messages",
  min: 1,
  max: 1_000_000_000,
};

/** A fault that starts once the front-end has handed over a back-end channel. */
function backendChannelFault(
  name: string,
  summary: string,
  standard: number,
  send: (channel: Channel) => Promise<void>,
): Fault {
  return {
    name,
    summary,
    breaks: "Back-end communication",
    where: "channel",
    takesRequest: false,
    parameter: { ...COUNT, standard },
    wrap: (main, _aim, count) =>
      new Interceptor(main, {
        received: (frame) => {
          const [fd] = frame.fds;
          if (frame.header.request === FrontendRequest.SetBackendReqFd && fd !== undefined) {
            void misuse(main, fd.duplicate(), count, send);
          }
          return frame;
        },
      }),
  };
}

/** Sends as fast as the front-end takes it and reads nothing; ends with the session. */
async function misuse(
  main: Channel,
  fd: OwnedFd,
  count: number,
  send: (channel: Channel) => Promise<void>,
): Promise<void> {
  const channel = new UnixChannel(UnixSocket.adopt(fd));
  void main.closed.then(() => channel.close());
  try {
    for (let i = 0; i < count; i += 1) await send(channel);
  } catch {
    // The front-end has closed the channel, or the session is over.
  }
}

/** Misuse of the channel for requests of the back-end. */
export const backendChannelFaults: readonly Fault[] = [
  backendChannelFault(
    "backend-channel-flood",
    "floods the back-end channel with CONFIG_CHANGE_MSG and reads no replies",
    100_000,
    async (channel) => {
      const flags = HeaderFlag.Version | HeaderFlag.NeedReply;
      const header = { request: BackendRequest.ConfigChangeMsg, flags, size: 0 };
      await channel.send({ header, payload: new Uint8Array(0), fds: [] });
    },
  ),
  backendChannelFault(
    "backend-channel-garbage",
    "sends bytes on the back-end channel that are not messages",
    64,
    async (channel) => channel.sendBytes(new Uint8Array(64).fill(0xa5), []),
  ),
];
