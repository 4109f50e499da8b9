import { MAX_PAYLOAD_SIZE, sizeError } from "../codec.ts";
import type { Codec } from "../codec.ts";
import { hexBytes } from "../hex.ts";

const NAME = "opaque payload";

/**
 * A reply body that the specification leaves open and peers fill differently: after SET_LOG_BASE
 * libvhost-user sends 8 stale bytes, DPDK none, rust-vmm the 16 bytes of the request. A receiver
 * must ignore the contents.
 */
export const opaque: Codec<Uint8Array> = {
  name: NAME,
  minSize: 0,
  maxSize: MAX_PAYLOAD_SIZE,
  size: (value) => value.byteLength,
  encode(value) {
    if (value.byteLength > MAX_PAYLOAD_SIZE) {
      throw new RangeError(`${NAME} has at most ${MAX_PAYLOAD_SIZE} bytes`);
    }
    return value.slice();
  },
  decode(payload) {
    if (payload.byteLength > MAX_PAYLOAD_SIZE) {
      throw sizeError(NAME, `at most ${MAX_PAYLOAD_SIZE} bytes`, payload);
    }
    return payload.slice();
  },
  describe: (value) => (value.byteLength === 0 ? "" : `body=${hexBytes(value)}`),
};
