import { closeSync, constants, fstatSync, fsyncSync, openSync } from "node:fs";
import { counted } from "../../../../core/base/index.ts";
import {
  BlockFeature,
  BlockRequest,
  BlockStatus,
  blockStatusName,
  SECTOR_SIZE,
  WRITE_ZEROES_UNMAP,
} from "../../../../endpoints/devices/block/layout.ts";
import type { Check } from "../../../conformance/kit/check.ts";
import type { CheckContext } from "../../../conformance/kit/back-end/context.ts";
import type { Disk, DiskRange } from "../disk.ts";
import { DEVICE, DRIVER, expectStatus, needing, noise, writableDisk } from "./common.ts";

const { Discard, WriteZeroes } = BlockRequest;
const { IoError, Ok, Unsupported } = BlockStatus;
const MAX_RING = 1024;
/** Blocks of a range that is zeroed, and of what is left of each side of it. */
const RANGE_BLOCKS = 8;

/** Ranges beyond the end of the disk are refused. */
async function refusesBeyond(t: CheckContext, type: number, feature: bigint): Promise<void> {
  if ((t.facts.virtio & feature) === 0n) return;
  const disk = await writableDisk(t, feature);
  const sectors = 2 * (disk.unit / SECTOR_SIZE);
  const status = await disk.ranges(type, [{ sector: disk.last, sectors }]);
  const right = blockStatusName(IoError);
  const what = `type ${type} beyond the end`;
  if (status !== IoError) t.warn(what, right, blockStatusName(status));
  t.closeSessions();
}

/** Zeroes some blocks, and looks at them and at their neighbours. */
async function zeroes(t: CheckContext, disk: Disk, flags: number): Promise<void> {
  const { unit } = disk;
  const side = RANGE_BLOCKS * unit;
  const bytes = noise(t, 3 * side);
  await disk.keeping(0n, bytes.length, async () => {
    await disk.write(0n, bytes);
    t.expectData("what was written before", await disk.read(0n, bytes.length), bytes);
    const sectors = side / SECTOR_SIZE;
    const range: DiskRange = { sector: BigInt(sectors), sectors, flags };
    expectStatus(t, `flags ${flags}`, await disk.ranges(WriteZeroes, [range]), Ok);
    bytes.fill(0, side, 2 * side);
    const same = Buffer.compare(await disk.read(0n, bytes.length), bytes) === 0;
    t.expectThat(`flags ${flags}`, same, "zeroes in the range alone", "other bytes");
    t.observe("effect");
  });
}

/** Bytes of the range whose room is looked at: many blocks of any file system. */
const ROOM_BYTES = 1 << 20;

/** Returns how much room a file takes, once what was written to it has some. */
function roomOf(path: string): number {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(fd);
    return fstatSync(fd).blocks * SECTOR_SIZE;
  } finally {
    closeSync(fd);
  }
}

/**
 * Fills a range of the disk, and zeroes it.
 *
 * @returns the room that the image lost
 */
async function freedBy(
  t: CheckContext,
  disk: Disk,
  image: string,
  { length, flags }: { readonly length: number; readonly flags: number },
): Promise<number> {
  await disk.write(0n, noise(t, length));
  const before = roomOf(image);
  const range: DiskRange = { sector: 0n, sectors: length / SECTOR_SIZE, flags };
  const { maxWriteZeroesSectors: most } = disk.config;
  t.expectThat("max_write_zeroes_sectors", most > 0, "at least 1", most);
  for (let at = 0; at < range.sectors; at += most) {
    const part = { sector: BigInt(at), sectors: Math.min(most, range.sectors - at), flags };
    expectStatus(t, `flags ${flags}`, await disk.ranges(WriteZeroes, [part]), Ok);
  }
  const isZero = (await disk.read(0n, length)).every((byte) => byte === 0);
  t.expectThat(`flags ${flags}`, isZero, "zeroes in the range", "other bytes");
  return before - roomOf(image);
}

/** Checks of discarded and zeroed ranges. */
export const blockRanges: readonly Check[] = [
  {
    id: "blk/13",
    title: "DISCARD succeeds within its limits, and is refused beyond them",
    strength: "MUST",
    section: DRIVER,
    observes: ["completion"],
    needs: needing(BlockFeature.Discard),
    hostile: true,
    async run(t) {
      const disk = await writableDisk(t, BlockFeature.Discard);
      const { maxDiscardSeg, maxDiscardSectors } = disk.config;
      const sectors = disk.unit / SECTOR_SIZE;
      const one: DiskRange = { sector: 0n, sectors };
      await disk.keeping(0n, disk.unit, async () => {
        expectStatus(t, "one range", await disk.ranges(Discard, [one]), Ok);
        const beyond: [string, DiskRange[]][] = [];
        if (maxDiscardSeg < MAX_RING)
          beyond.push(["too many ranges", Array<DiskRange>(maxDiscardSeg + 1).fill(one)]);
        // Where the disk has no more, the number alone is too large.
        if (maxDiscardSectors < 0xffff_ffff)
          beyond.push([
            "too many sectors",
            [{ sector: disk.last, sectors: maxDiscardSectors + 1 }],
          ]);
        for (const [what, ranges] of beyond) {
          const status = await disk.ranges(Discard, ranges);
          if (status === Ok) t.warn(what, "an error", blockStatusName(status));
        }
      });
    },
  },
  {
    id: "blk/14",
    title: "DISCARD with the unmap flag is not supported",
    strength: "MUST",
    section: DEVICE,
    observes: ["completion"],
    needs: needing(BlockFeature.Discard),
    async run(t) {
      const disk = await writableDisk(t, BlockFeature.Discard);
      const range = { sector: 0n, sectors: disk.unit / SECTOR_SIZE, flags: WRITE_ZEROES_UNMAP };
      await disk.keeping(0n, disk.unit, async () => {
        expectStatus(t, "the unmap flag", await disk.ranges(Discard, [range]), Unsupported);
      });
    },
  },
  {
    id: "blk/15",
    title: "WRITE_ZEROES zeroes its range and nothing else",
    strength: "MUST",
    section: DEVICE,
    observes: ["data", "effect"],
    needs: needing(BlockFeature.WriteZeroes),
    async run(t) {
      const disk = await writableDisk(t, BlockFeature.WriteZeroes);
      if (disk.size < 3 * RANGE_BLOCKS * disk.unit) t.skip("the disk is too small");
      for (const flags of [0, WRITE_ZEROES_UNMAP]) await zeroes(t, disk, flags);
    },
  },
  {
    id: "blk/16",
    title: "unknown flags of a range are not supported",
    strength: "MUST",
    section: DEVICE,
    observes: ["completion"],
    needs: needing(BlockFeature.WriteZeroes),
    async run(t) {
      const disk = await writableDisk(t, BlockFeature.WriteZeroes | BlockFeature.Discard);
      const range = { sector: 0n, sectors: disk.unit / SECTOR_SIZE, flags: 2 };
      await disk.keeping(0n, disk.unit, async () => {
        expectStatus(t, "flags 2", await disk.ranges(WriteZeroes, [range]), Unsupported);
        if ((t.facts.virtio & BlockFeature.Discard) === 0n) return;
        expectStatus(t, "flags 2", await disk.ranges(Discard, [range]), Unsupported);
      });
    },
  },
  {
    id: "blk/17",
    title: "ranges beyond the end are an I/O error",
    strength: "SHOULD",
    section: DRIVER,
    observes: ["completion"],
    needs: needing(BlockFeature.WriteZeroes),
    hostile: true,
    async run(t) {
      await refusesBeyond(t, Discard, BlockFeature.Discard);
      await refusesBeyond(t, WriteZeroes, BlockFeature.WriteZeroes);
    },
  },
  {
    id: "blk/43",
    title: "WRITE_ZEROES without the unmap flag leaves the room of its range allocated",
    strength: "SHOULD",
    section: DRIVER,
    observes: ["effect"],
    needs: needing(BlockFeature.WriteZeroes),
    async run(t) {
      const disk = await writableDisk(t, BlockFeature.WriteZeroes);
      const image =
        t.target.image?.(disk.size) ?? t.skip("the target's command names no file of its disk");
      const length = Math.min(ROOM_BYTES, disk.size - (disk.size % disk.unit));
      await disk.keeping(0n, length, async () => {
        const freed = await freedBy(t, disk, image, { length, flags: WRITE_ZEROES_UNMAP });
        if (freed <= 0) t.notJudged("the unmap flag frees no room either");
        t.observe("effect");
        const lost = await freedBy(t, disk, image, { length, flags: 0 });
        t.expectThat("room freed without it", lost <= 0, "none", counted(lost, "byte"));
      });
    },
  },
];
