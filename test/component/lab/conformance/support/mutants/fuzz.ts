import { FrontendRequest } from "../../../../../../src/core/protocol/index.ts";
import { crashesOn, type Mutant, throughBytes, throughChannel } from "../mutant.ts";

const { SetVringAddr, SetVringNum } = FrontendRequest;
const NOISE_BYTES = 64;

export const fuzz: Readonly<Record<string, Mutant>> = {
  "fuzz/1": throughBytes("dies by SIGSEGV of noise that claims to be version 3", (world) => ({
    chunk: (chunk) => {
      const { bytes } = chunk;
      if (bytes.length === NOISE_BYTES && ((bytes[4] ?? 0) & 3) === 3) world.crash("SIGSEGV");
      return chunk;
    },
  })),
  "fuzz/2": crashesOn(
    "a ring index of 2^31 and more",
    ({ header: { request }, payload }) => request === SetVringAddr && (payload[3] ?? 0) >= 0x80,
  ),
  "fuzz/4": throughChannel("keeps descriptors beyond the eighth", (world) => ({
    received: (frame) => {
      for (const fd of frame.fds.slice(8)) world.leak(fd.duplicate());
      return frame;
    },
  })),
  "fuzz/6": throughChannel("does not answer SET_VRING_NUM for no entries", () => ({
    received: (frame) => {
      const { header, payload } = frame;
      const swallowed = header.request === SetVringNum && payload.every((byte) => byte === 0);
      return swallowed ? undefined : frame;
    },
  })),
};
