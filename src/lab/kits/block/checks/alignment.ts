import { counted } from "../../../../core/base/index.ts";
import {
  BlockFeature,
  BlockRequest,
  BlockStatus,
  blockStatusName,
} from "../../../../endpoints/devices/block/layout.ts";
import type { Check } from "../../../conformance/kit/check.ts";
import { PAGE } from "../../../conformance/kit/back-end/memory.ts";
import { diskOf } from "../disk.ts";
import { NEEDS, noise } from "./common.ts";

/** Bytes by which data misses a page: a sector, a descriptor, and an odd number. */
const OFFSETS = [512, 16, 1];

/** Checks with data at addresses of any alignment; all other checks align data to pages. */
export const blockAlignment: readonly Check[] = [
  {
    id: "blk/40",
    title: "data may begin at any address, aligned to a sector, to 16 bytes or not at all",
    strength: "MUST",
    section: "VIRTIO 2.7.5, 5.2.6",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const isReadOnly = (t.facts.virtio & BlockFeature.ReadOnly) !== 0n;
      const disk = await diskOf(t);
      // A file system may take less than one of its blocks from any address.
      const length = Math.min(Math.max(disk.unit, PAGE), disk.size);
      const before = await disk.read(0n, length);
      for (const offset of OFFSETS) {
        const where = `data ${counted(offset, "byte")} behind the beginning of a page`;
        // A hole of a file can be read to any address, and its data cannot.
        const content = isReadOnly ? before : noise(t, length);
        try {
          if (!isReadOnly) {
            // Other bytes first, so that a write without effect is seen.
            await disk.write(0n, content.toReversed());
            const out = await disk.ask(BlockRequest.Out, { out: content, offset });
            const written = blockStatusName(out.status);
            t.expect(`a write of ${where}`, written, blockStatusName(BlockStatus.Ok));
          }
          const { status, data } = await disk.ask(BlockRequest.In, { room: length, offset });
          t.expect(`a read to ${where}`, blockStatusName(status), blockStatusName(BlockStatus.Ok));
          t.expectData(`a read to ${where}`, data, content);
        } finally {
          if (!isReadOnly && !disk.device.session.closed) await disk.write(0n, before);
        }
      }
    },
  },
];
