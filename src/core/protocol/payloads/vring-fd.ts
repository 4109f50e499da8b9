import { expectSize } from "../codec.ts";
import type { Codec } from "../codec.ts";
import { assertUnsigned, viewOf } from "../fields.ts";

const NO_FD = 0x100;

/**
 * The 64-bit number of SET_VRING_KICK, SET_VRING_CALL and SET_VRING_ERR: the index of the ring, and
 * whether a descriptor is attached. It limits these requests to 256 rings.
 *
 * | bits | name                        |
 * | ---- | --------------------------- |
 * | 0-7  | index                       |
 * | 8    | noFd: no descriptor attached |
 * | 9-63 | reserved, zero              |
 */
export interface VringFd {
  readonly index: number;
  readonly noFd: boolean;
}

/** Reads the bits; the reserved ones are skipped. */
export function unpackVringFd(bits: number): VringFd {
  return { index: bits & 0xff, noFd: (bits & NO_FD) !== 0 };
}

/** @throws RangeError when the index needs more than 8 bits */
export function packVringFd(value: VringFd): number {
  assertUnsigned("vring index", value.index, 0xff);
  return value.index | (value.noFd ? NO_FD : 0);
}

export const formatVringFd = (value: VringFd): string =>
  `index=${value.index}${value.noFd ? " no-descriptor" : ""}`;

export const vringFd: Codec<VringFd> = {
  name: "vring descriptor",
  minSize: 8,
  maxSize: 8,
  size: () => 8,
  encode(value) {
    const bytes = new Uint8Array(8);
    viewOf(bytes).setUint32(0, packVringFd(value), true);
    return bytes;
  },
  decode(payload) {
    expectSize("vring descriptor", payload, 8);
    return unpackVringFd(viewOf(payload).getUint32(0, true));
  },
  describe: formatVringFd,
};
