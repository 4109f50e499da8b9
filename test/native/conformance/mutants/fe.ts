import { FrontendRequest } from "../../../../src/protocol/index.ts";
import type { FrontendMutant } from "../in-process-frontend.ts";

const { GetProtocolFeatures, SetOwner } = FrontendRequest;

/** Our client, by the check that must catch it. */
export const frontendMutants: Readonly<Record<string, FrontendMutant>> = {
  "fe/1": {
    fault: "asks for protocol features whatever was offered",
    sends: () => (frame) => {
      if (frame.header.request !== SetOwner) return frame;
      const header = { request: GetProtocolFeatures, flags: 1, size: 0 };
      return [frame, { header, payload: new Uint8Array(), fds: [] }];
    },
  },
  "fe/2": {
    fault: "sets a reserved bit in the flags of SET_OWNER",
    sends: () => (frame) => {
      const { header } = frame;
      if (header.request !== SetOwner) return frame;
      return { ...frame, header: { ...header, flags: (header.flags | 0x100) >>> 0 } };
    },
  },
};
