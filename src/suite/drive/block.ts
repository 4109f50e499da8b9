import { BlockRequest, BlockStatus, blockStatusName } from "../../devices/block/layout.ts";
import type { DeviceKit } from "./kit.ts";
import { POISON } from "./memory.ts";

/** As long as any block size in use, so that every disk can read it at once. */
const READ_BYTES = 4096;

/** The header of a block request (VIRTIO 5.2.6). */
export function blockHeader(type: number, sector = 0n): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setBigUint64(8, sector, true);
  return bytes;
}

/** Reads the first sectors. */
export const blockKit: DeviceKit = {
  type: "block",
  rings: [0],
  ring: 0,
  request(memory) {
    const header = memory.holding(blockHeader(BlockRequest.In));
    const data = memory.poisoned(READ_BYTES);
    const status = memory.poisoned(1);
    return {
      readable: [header],
      writable: [data, status],
      wrong: (written) => {
        const [value = POISON] = status.bytes;
        if (value !== BlockStatus.Ok) return `status ${blockStatusName(value)}`;
        return written === READ_BYTES + 1 ? undefined : `${written} bytes written`;
      },
    };
  },
};
