import {
  BlockFeature,
  BlockRequest,
  BlockStatus,
} from "../../../../endpoints/devices/block/layout.ts";
import type { Check } from "../../../conformance/kit/check.ts";
import { diskOf } from "../disk.ts";
import { DEVICE, needing } from "./common.ts";

const { Flush, ReadOnly } = BlockFeature;

/** Checks of flushes that depend on the kind of the disk. */
export const blockFlush: readonly Check[] = [
  {
    id: "blk/44",
    title: "a flush of a read-only disk succeeds: there is nothing to write back",
    strength: "SHOULD",
    section: DEVICE,
    observes: ["data"],
    needs: needing(ReadOnly | Flush),
    async run(t) {
      const disk = await diskOf(t, ReadOnly | Flush);
      // A disk that serves nothing says nothing about flushes.
      await disk.expectFilled(0n, disk.unit);
      await disk.expectStatus(BlockStatus.Ok, BlockRequest.Flush);
      await disk.expectFilled(0n, disk.unit);
    },
  },
];
