import { expectSize } from "../codec.ts";
import type { Codec } from "../codec.ts";
import { u64, viewOf } from "../fields.ts";
import { formatLayout, readLayout, writeLayout } from "../struct.ts";
import type { Layout } from "../struct.ts";
import { formatVringFd, packVringFd, unpackVringFd } from "./vring-fd.ts";
import type { VringFd } from "./vring-fd.ts";

/**
 * A range of a file that the front-end maps as a ring's notification area (specification: "Vring
 * area description").
 *
 * | offset | size | name                                           |
 * | ------ | ---- | ---------------------------------------------- |
 * | 0      | 8    | bits 0-7 index, bit 8 noFd: no descriptor came |
 * | 8      | 8    | size                                           |
 * | 16     | 8    | offset in the file                             |
 */
export interface VringArea extends VringFd {
  readonly size: bigint;
  readonly offset: bigint;
}

const layout: Layout<Pick<VringArea, "size" | "offset">> = { size: u64(8), offset: u64(16) };

export const vringArea: Codec<VringArea> = {
  name: "vring area",
  minSize: 24,
  maxSize: 24,
  size: () => 24,
  encode(value) {
    const bytes = new Uint8Array(24);
    viewOf(bytes).setUint32(0, packVringFd(value), true);
    writeLayout(layout, viewOf(bytes), 0, value);
    return bytes;
  },
  decode(payload) {
    expectSize("vring area", payload, 24);
    const view = viewOf(payload);
    return { ...unpackVringFd(view.getUint32(0, true)), ...readLayout(layout, view, 0) };
  },
  describe: (value) => `${formatVringFd(value)} ${formatLayout(layout, value)}`,
};
