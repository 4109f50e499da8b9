import { expectSize } from "../codec.ts";
import type { Codec } from "../codec.ts";
import { assertU64, assertUnsigned, hex, viewOf } from "../fields.ts";

/**
 * The device's shared memory regions (specification: "VIRTIO Shared Memory Region configuration").
 * The reply always carries all 256 sizes.
 *
 * | offset | size    | name       |
 * | ------ | ------- | ---------- |
 * | 0      | 4       | numRegions |
 * | 4      | 4       | padding    |
 * | 8      | 256 * 8 | sizes      |
 */
export interface ShmemConfig {
  /** Number of sizes that are not zero. */
  readonly numRegions: number;
  /** Size of each region, by shared memory id; at most 256, missing ones are zero. */
  readonly sizes: readonly bigint[];
}

const NAME = "shared memory configuration";
const ENTRIES = 256;
const SIZE = 8 + 8 * ENTRIES;

export const shmemConfig: Codec<ShmemConfig> = {
  name: NAME,
  minSize: SIZE,
  maxSize: SIZE,
  size: () => SIZE,
  encode({ numRegions, sizes }) {
    assertUnsigned("numRegions", numRegions, 0xffff_ffff);
    if (sizes.length > ENTRIES) throw new RangeError(`at most ${ENTRIES} shared memory regions`);
    const bytes = new Uint8Array(SIZE);
    const view = viewOf(bytes);
    view.setUint32(0, numRegions, true);
    for (const [id, size] of sizes.entries()) {
      assertU64(`size of region ${id}`, size);
      view.setBigUint64(8 + 8 * id, size, true);
    }
    return bytes;
  },
  decode(payload) {
    expectSize(NAME, payload, SIZE);
    const view = viewOf(payload);
    return {
      numRegions: view.getUint32(0, true),
      sizes: Array.from({ length: ENTRIES }, (_, id) => view.getBigUint64(8 + 8 * id, true)),
    };
  },
  describe({ numRegions, sizes }) {
    const used = sizes.flatMap((size, id) => (size === 0n ? [] : [` ${id}:${hex(size)}`]));
    const more = used.length > 8 ? " ..." : "";
    return `numRegions=${numRegions}${used.slice(0, 8).join("")}${more}`;
  },
};
