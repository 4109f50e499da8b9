import { expectSize } from "../codec.ts";
import type { Codec } from "../codec.ts";

/** The codec of requests without payload. */
export const empty: Codec<void> = {
  name: "empty payload",
  minSize: 0,
  maxSize: 0,
  size: () => 0,
  encode: () => new Uint8Array(0),
  decode(payload) {
    expectSize("empty payload", payload, 0);
  },
  describe: () => "",
};
