import { FrontendRequest } from "../../../../../../src/core/protocol/index.ts";
import { UnixSocket } from "../../../../../../src/core/os/index.ts";
import { UnixChannel } from "../../../../../../src/core/transport/index.ts";
import { fault, type Mutant, throughChannel } from "../mutant.ts";

const { SetBackendReqFd } = FrontendRequest;
const ACK = new Uint8Array(8);

export const chan: Readonly<Record<string, Mutant>> = {
  "chan/1": fault("refuse@SET_BACKEND_REQ_FD"),
  "chan/2": throughChannel("takes no socket for one", () => ({
    received: (frame, channel) => {
      const { request } = frame.header;
      if (request !== SetBackendReqFd || frame.fds.length > 0) return frame;
      void channel.send({ header: { request, flags: 5, size: 8 }, payload: ACK, fds: [] });
      return undefined;
    },
  })),
  "chan/4": fault("backend-channel-garbage"),
  "chan/7": throughChannel("ends the session with the channel", () => ({
    received: (frame, main) => {
      const [fd] = frame.fds;
      if (frame.header.request !== SetBackendReqFd || fd === undefined) return frame;
      const channel = new UnixChannel(UnixSocket.adopt(fd.duplicate()));
      channel.onFrame(() => undefined);
      void channel.closed.then(() => main.close());
      void main.closed.then(() => channel.close());
      return frame;
    },
  })),
};
