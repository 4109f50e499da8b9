import { counted } from "../../../../core/base/index.ts";
import {
  BlockFeature,
  BlockRequest,
  BlockStatus,
  blockStatusName,
  ID_BYTES,
  SECTOR_SIZE,
} from "../../../../endpoints/devices/block/layout.ts";
import { ProtocolFeature } from "../../../../core/protocol/index.ts";
import type { Check } from "../../../conformance/kit/check.ts";
import type { CheckContext } from "../../../conformance/kit/back-end/context.ts";
import { blockHeader } from "../header.ts";
import { blockConfigLayout } from "../../../../endpoints/devices/block/config.ts";
import { largestConfig } from "../../../conformance/kit/back-end/config-space.ts";
import { diskOf } from "../disk.ts";
import { HandSplit } from "../../../conformance/kit/back-end/hand-split.ts";
import { DEVICE, DRIVER, NEEDS, needing, noise, writableDisk } from "./common.ts";
import { PAGE, POISON } from "../../../conformance/kit/back-end/memory.ts";
import { cutInto, descriptorsOf } from "../../../conformance/kit/back-end/descriptors.ts";

const { Flush, GetId, In, Out } = BlockRequest;
const { IoError, Ok, Unsupported } = BlockStatus;
const REQUESTS = "VIRTIO 5.2.6";
const ZONE_TYPES = [15, 16, 18, 20, 22, 24, 26];
const BEYOND_ALL = 2n ** 64n - 1n;
const MAX_RING = 1024;
/** Offsets of unused0 and unused1 in struct virtio_blk_config. */
const PADDING = [33, 57, 58, 59];

/** A request that breaks the rules of its form: any answer, or a close, and nothing else. */
async function survives(
  t: CheckContext,
  readable: Uint8Array,
  room: readonly number[],
): Promise<void> {
  const { device } = await diskOf(t);
  device.ring.push(
    [device.memory.holding(readable)],
    room.map((length) => device.memory.poisoned(length)),
  );
  await device.session.alive();
  await device.ring.completion(t.times.graceMs);
  await t.survive(device.session, device.memory);
  t.closeSessions();
  await (await diskOf(t)).read(0n, SECTOR_SIZE);
}

export const blockRequests: readonly Check[] = [
  {
    id: "blk/1",
    title: "capacity and block size are plausible",
    strength: "SHOULD",
    section: "VIRTIO 5.2.4",
    observes: ["reply"],
    tags: ["smoke"],
    needs: NEEDS,
    async run(t) {
      const { config } = await diskOf(t);
      t.expectThat("capacity", config.capacity > 0n, "at least one sector", config.capacity);
      t.info(counted(config.capacity, "sector"));
      if ((t.facts.virtio & BlockFeature.BlockSize) === 0n) return;
      const { blkSize } = config;
      const right = blkSize >= SECTOR_SIZE && (blkSize & (blkSize - 1)) === 0;
      t.expectThat("block size", right, "a power of two, at least 512", blkSize);
    },
  },
  {
    id: "blk/2",
    title: "what was written is read back, from one block to 1 MiB",
    strength: "MUST",
    section: REQUESTS,
    observes: ["data"],
    tags: ["smoke"],
    needs: NEEDS,
    async run(t) {
      const disk = await writableDisk(t);
      for (const wanted of [disk.unit, 8 * disk.unit, 1 << 16, 1 << 20]) {
        const length = Math.min(wanted, disk.size);
        const places = (disk.size - length) / disk.unit + 1;
        const at = Math.floor(t.random() * places) * (disk.unit / SECTOR_SIZE);
        const bytes = noise(t, length);
        await disk.keeping(BigInt(at), length, async () => {
          await disk.write(BigInt(at), bytes);
          const back = await disk.read(BigInt(at), length);
          t.expectData(`${counted(length, "byte")} at sector ${at}`, back, bytes);
        });
      }
    },
  },
  {
    id: "blk/3",
    title: "the first and the last block can be read",
    strength: "MUST",
    section: REQUESTS,
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const disk = await diskOf(t);
      const isReadOnly = (t.facts.virtio & BlockFeature.ReadOnly) !== 0n;
      for (const sector of [0n, disk.last]) {
        if (isReadOnly) {
          await disk.expectFilled(sector, disk.unit);
          continue;
        }
        await disk.keeping(sector, disk.unit, async () => {
          const bytes = noise(t, disk.unit);
          await disk.write(sector, bytes);
          t.expectData(`the block at sector ${sector}`, await disk.read(sector, disk.unit), bytes);
        });
      }
    },
  },
  {
    id: "blk/4",
    title: "a read beyond the end is an I/O error that brings no data",
    strength: "SHOULD",
    section: DRIVER,
    observes: ["service"],
    needs: NEEDS,
    hostile: true,
    async run(t) {
      const disk = await diskOf(t);
      const { capacity } = disk.config;
      const answer = await disk.refused(In, { sector: capacity, room: disk.unit });
      const foreign = answer?.data.some((byte) => byte !== POISON && byte !== 0) ?? false;
      if (foreign) t.fail("data from beyond the end", "none", answer?.data.slice(0, 16), "FAIL");
      await t.survive(disk.device.session, disk.device.memory);
    },
  },
  {
    id: "blk/5",
    title: "a write across the end is an I/O error that changes nothing",
    strength: "SHOULD",
    section: DRIVER,
    observes: ["service"],
    needs: NEEDS,
    hostile: true,
    async run(t) {
      const disk = await writableDisk(t);
      const before = await disk.read(disk.last, disk.unit);
      const out = noise(t, 2 * disk.unit);
      await disk.refused(Out, { sector: disk.last, out });
      t.closeSessions();
      const again = await diskOf(t);
      t.expect("capacity afterwards", again.config.capacity, disk.config.capacity);
      const changed = Buffer.compare(await again.read(again.last, again.unit), before) !== 0;
      if (!changed) return;
      await again.write(again.last, before);
      t.fail("the last block", "unchanged", "written to", "FAIL");
    },
  },
  {
    id: "blk/6",
    title: "a sector number that overflows is an I/O error",
    strength: "ROBUSTNESS",
    section: "VIRTIO 5.2.6.1",
    observes: ["service"],
    needs: NEEDS,
    async run(t) {
      for (const sector of [BEYOND_ALL, 2n ** 55n]) {
        const disk = await diskOf(t);
        await disk.refused(In, { sector, room: disk.unit });
        await t.survive(disk.device.session, disk.device.memory);
        t.closeSessions();
      }
    },
  },
  {
    id: "blk/7",
    title: "data that is not a multiple of 512 bytes is refused",
    strength: "SHOULD",
    section: "VIRTIO 5.2.6.1",
    observes: ["service"],
    needs: NEEDS,
    hostile: true,
    async run(t) {
      const disk = await diskOf(t);
      const answer = await disk.attempt(In, { room: 100 });
      const refused =
        answer === "closed" || [IoError, Unsupported].some((s) => s === answer.status);
      if (!refused) t.warn("100 bytes", "an error", blockStatusName(answer.status));
      await t.survive(disk.device.session, disk.device.memory);
    },
  },
  {
    id: "blk/8",
    title: "a request of an unknown type is not supported",
    strength: "MUST",
    section: REQUESTS,
    observes: ["completion"],
    needs: NEEDS,
    async run(t) {
      const disk = await diskOf(t);
      for (const type of [77, 0xffff_ffff]) await disk.expectStatus(Unsupported, type);
    },
  },
  {
    id: "blk/9",
    title: "GET_ID gives a name of at most 20 bytes, whatever room there is",
    strength: "MUST",
    section: DRIVER,
    observes: ["service"],
    needs: NEEDS,
    hostile: true,
    async run(t) {
      const disk = await diskOf(t);
      const { data } = await disk.expectStatus(Ok, GetId, { room: ID_BYTES });
      t.info(JSON.stringify(Buffer.from(data).toString("latin1").split("\0")[0]));
      for (const room of [5, 64]) {
        await disk.attempt(GetId, { room });
        await t.survive(disk.device.session, disk.device.memory);
        if (disk.device.session.closed) return;
      }
    },
  },
  {
    id: "blk/10",
    title: "FLUSH succeeds where it was negotiated",
    strength: "MUST",
    section: DEVICE,
    observes: ["completion"],
    needs: needing(BlockFeature.Flush),
    async run(t) {
      await (await diskOf(t, BlockFeature.Flush)).expectStatus(Ok, Flush);
    },
  },
  {
    id: "blk/12",
    title: "a read-only disk refuses writes with an I/O error",
    strength: "MUST",
    section: DEVICE,
    observes: ["completion"],
    needs: needing(BlockFeature.ReadOnly),
    hostile: true,
    async run(t) {
      const disk = await diskOf(t, BlockFeature.ReadOnly);
      const before = await disk.read(0n, disk.unit);
      await disk.expectStatus(IoError, Out, { out: before.map((byte) => byte ^ 0xff) });
      t.expect("the block afterwards", await disk.read(0n, disk.unit), before);
    },
  },
  {
    id: "blk/19",
    title: "requests of as many segments as seg_max promises are served",
    strength: "MUST",
    section: "VIRTIO 5.2.3, 5.2.4",
    observes: ["data"],
    needs: needing(BlockFeature.SegMax),
    async run(t) {
      const features = BlockFeature.SegMax | BlockFeature.SizeMax;
      const { segMax } = (await diskOf(t, features)).config;
      t.expectThat("seg_max", segMax > 0, "at least 1", segMax);
      t.closeSessions();
      const count = Math.min(segMax + 2, MAX_RING);
      const size = 2 ** Math.ceil(Math.log2(count));
      const { device, size: bytes } = await diskOf(t, features, { ring: { size } });
      // Segments of whole pages where the disk is large enough.
      const pages = Math.min(count, Math.floor(bytes / PAGE));
      const request = t.kit.request(
        device.memory,
        Math.max(pages, Math.ceil((count * SECTOR_SIZE) / PAGE)),
      );
      const hand = new HandSplit(t, device.session, device.ring);
      const head = hand.chain(cutInto(descriptorsOf(request), count));
      const wrong = await hand.attempt(head, request);
      t.expectThat(counted(segMax, "segment"), wrong === undefined, "served", wrong);
    },
  },
  {
    id: "blk/21",
    title: "num_queues is at most the reply to GET_QUEUE_NUM",
    strength: "SHOULD",
    section: "VIRTIO 5.2.4",
    observes: ["reply"],
    needs: { ...NEEDS, virtio: 1n << 12n, protocol: NEEDS.protocol | ProtocolFeature.Mq },
    async run(t) {
      const { numQueues } = (await diskOf(t)).config;
      const { queueNum } = t.facts;
      const right = numQueues >= 1 && numQueues <= queueNum;
      t.expectThat("num_queues", right, `from 1 to ${queueNum}`, numQueues);
    },
  },
  {
    id: "blk/22",
    title: "the used length is what was written: data and status",
    strength: "MUST",
    section: "VIRTIO 2.7.8.2, 5.2.6",
    observes: ["data"],
    needs: NEEDS,
    async run(t) {
      const disk = await diskOf(t);
      const judge = (what: string, written: number, most: number): void => {
        t.expectThat(what, written <= most, `at most ${most}`, written);
        if (written < most) t.warn(what, String(most), written);
      };
      // What is said to be written has to be there.
      await disk.expectFilled(0n, disk.unit);
      judge("of a read", (await disk.ask(In, { room: disk.unit })).written, disk.unit + 1);
      if ((t.facts.virtio & BlockFeature.ReadOnly) === 0n) {
        const out = await disk.read(0n, disk.unit);
        judge("of a write", (await disk.ask(Out, { out })).written, 1);
      }
      const beyond = { sector: disk.config.capacity, room: disk.unit };
      const failed = await disk.attempt(In, beyond);
      if (failed === "closed" || failed.status === Ok) return;
      const filled = failed.data.every((byte) => byte !== POISON);
      const most = filled ? disk.unit + 1 : 1;
      t.expectThat("of a failed read", failed.written <= most, `at most ${most}`, failed.written);
    },
  },
  {
    id: "blk/23",
    title: "a request without room for a status does no harm",
    strength: "ROBUSTNESS",
    section: REQUESTS,
    observes: ["service"],
    needs: NEEDS,
    run: async (t) => survives(t, blockHeader(In), []),
  },
  {
    id: "blk/24",
    title: "a header of 8 bytes does no harm",
    strength: "ROBUSTNESS",
    section: REQUESTS,
    observes: ["service"],
    needs: NEEDS,
    run: async (t) => survives(t, blockHeader(In).subarray(0, 8), [SECTOR_SIZE, 1]),
  },
  {
    id: "blk/31",
    title: "the padding of the configuration space is 0",
    strength: "MUST",
    section: "VIRTIO 5.2.5.2",
    observes: ["reply"],
    needs: NEEDS,
    async run(t) {
      const session = await t.negotiatedSession();
      const bytes = await largestConfig(session, blockConfigLayout.sizes);
      if (bytes === undefined)
        return t.fail("GET_CONFIG", "the configuration of a disk", "an error");
      for (const at of PADDING.filter((offset) => offset < bytes.length))
        t.expect(`byte ${at}`, bytes[at], 0);
    },
  },
  {
    id: "blk/32",
    title: "requests for zones are not supported by a disk without any",
    strength: "MUST",
    section: DEVICE,
    observes: ["completion"],
    needs: NEEDS,
    async run(t) {
      const disk = await diskOf(t);
      for (const type of ZONE_TYPES) await disk.expectStatus(Unsupported, type, { room: 512 });
    },
  },
];
