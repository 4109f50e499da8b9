import { sizeError } from "../codec.ts";
import type { Codec } from "../codec.ts";
import { viewOf } from "../fields.ts";
import {
  REGION_SIZE,
  XEN_REGION_SIZE,
  formatRegion,
  readRegion,
  regionSize,
  writeRegion,
} from "./memory-region.ts";
import type { MemoryRegion } from "./memory-region.ts";

/**
 * The region that ADD_MEM_REG adds and REM_MEM_REG removes (specification: "Single memory region
 * description"; its list of requests names the payload under the reply, by mistake).
 *
 * | offset | size | name    |
 * | ------ | ---- | ------- |
 * | 0      | 8    | padding |
 * | 8      | 32, or 40 with XEN_MMAP | region |
 */
export interface SingleMemoryRegion {
  readonly region: MemoryRegion;
}

const NAME = "single memory region";
const PREFIX = 8;

export const singleMemoryRegion: Codec<SingleMemoryRegion> = {
  name: NAME,
  minSize: PREFIX + REGION_SIZE,
  maxSize: PREFIX + XEN_REGION_SIZE,
  size: (value) => PREFIX + regionSize(value.region),
  encode(value) {
    const bytes = new Uint8Array(singleMemoryRegion.size(value));
    writeRegion(viewOf(bytes), PREFIX, value.region);
    return bytes;
  },
  decode(payload) {
    const xen = payload.byteLength === PREFIX + XEN_REGION_SIZE;
    if (!xen && payload.byteLength !== PREFIX + REGION_SIZE) {
      throw sizeError(NAME, `${PREFIX + REGION_SIZE} bytes, or 48 with XEN_MMAP`, payload);
    }
    return { region: readRegion(viewOf(payload), PREFIX, xen) };
  },
  describe: (value) => formatRegion(value.region),
  announcedSize: (payload) =>
    payload.byteLength === PREFIX + XEN_REGION_SIZE ? payload.byteLength : PREFIX + REGION_SIZE,
};
