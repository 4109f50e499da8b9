import { counted } from "../../../../core/base/index.ts";
import {
  BlockFeature,
  BlockRequest,
  BlockStatus,
  blockStatusName,
} from "../../../../endpoints/devices/block/layout.ts";
import type { Check } from "../../../conformance/kit/check.ts";
import { cutInto, descriptorsOf } from "../../../conformance/kit/back-end/descriptors.ts";
import { HandSplit } from "../../../conformance/kit/back-end/hand-split.ts";
import { PAGE } from "../../../conformance/kit/back-end/memory.ts";
import { type Disk, diskOf } from "../disk.ts";
import { NEEDS, needing, noise } from "./common.ts";

/** Lengths of the first two segments of a request: a sector ends within a segment. */
const CUTS = [
  [128, 384],
  [1, 511],
  [511, 513],
] as const;
/** Entries of the largest ring that a back-end has to serve here. */
const MAX_RING = 1024;
const { In, Out } = BlockRequest;
const { Ok } = BlockStatus;

/** Returns the lengths of a request's segments: these two, and the rest of the last block. */
function segmentsOf({ unit }: Disk, [first, second]: readonly [number, number]): number[] {
  const rest = (unit - ((first + second) % unit)) % unit;
  return rest > 0 ? [first, second, rest] : [first, second];
}

/** Checks of requests whose data is in several descriptors. */
export const blockSegments: readonly Check[] = [
  {
    id: "blk/41",
    title: "the data of a request may be split over descriptors within a sector",
    strength: "MUST",
    section: "VIRTIO 2.7.4.1, 5.2.6",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const isReadOnly = (t.facts.virtio & BlockFeature.ReadOnly) !== 0n;
      const disk = await diskOf(t);
      const most = Math.min(2 * disk.unit, disk.size);
      const before = await disk.read(0n, most);
      for (const pair of CUTS) {
        const cuts = segmentsOf(disk, pair);
        const room = cuts.reduce((sum, length) => sum + length);
        if (room > most) continue;
        const where = `in descriptors of ${cuts.join(" + ")} bytes`;
        const content = isReadOnly ? before.subarray(0, room) : noise(t, room);
        try {
          if (!isReadOnly) {
            // Other bytes first, so that a write without effect is seen.
            await disk.write(0n, content.toReversed());
            const out = await disk.ask(Out, { out: content, cuts });
            t.expect(`a write ${where}`, blockStatusName(out.status), blockStatusName(Ok));
            t.expectData(`a write ${where}`, await disk.read(0n, room), content);
          }
          const { status, data } = await disk.ask(In, { room, cuts });
          t.expect(`a read ${where}`, blockStatusName(status), blockStatusName(Ok));
          t.expectData(`a read ${where}`, data, content);
        } finally {
          if (!isReadOnly && !disk.device.session.closed) await disk.write(0n, before);
        }
      }
    },
  },
  {
    id: "blk/42",
    title: "a request of more segments than seg_max is served in full or refused",
    strength: "ROBUSTNESS",
    section: "VIRTIO 5.2.4",
    observes: ["service"],
    needs: needing(BlockFeature.SegMax),
    async run(t) {
      const features = BlockFeature.SegMax | BlockFeature.SizeMax;
      const { segMax } = (await diskOf(t, features)).config;
      for (const segments of [segMax + 1, 2 * segMax]) {
        const count = segments + 2;
        if (count > MAX_RING) t.skip(`seg_max is ${segMax}: a ring has no room for more`);
        t.closeSessions();
        const size = 2 ** Math.ceil(Math.log2(count));
        const disk = await diskOf(t, features, { ring: { size } });
        const { device } = disk;
        const pages = Math.min(segments, Math.floor(disk.size / PAGE));
        const content = await disk.read(0n, pages * PAGE);
        const request = t.kit.request(device.memory, pages);
        const hand = new HandSplit(t, device.session, device.ring);
        hand.offer(hand.chain(cutInto(descriptorsOf(request), count)));
        const used = await hand.next();
        const status = request.writable.at(-1)?.bytes[0] ?? 0;
        const isServed = typeof used === "object" && status === Ok;
        if (isServed) {
          const what = `the data in ${counted(segments, "segment")}`;
          t.expectData(what, request.content?.bytes ?? content, content);
        }
        const answer = typeof used === "object" ? blockStatusName(status) : (used ?? "no answer");
        t.info(`${counted(segments, "segment")}: ${isServed ? "served" : answer}`);
        await t.survive(device.session, device.memory);
      }
    },
  },
];
