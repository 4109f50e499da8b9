import { expectSize } from "../codec.ts";
import type { Codec } from "../codec.ts";

/** No payload at all. */
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
