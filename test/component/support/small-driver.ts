/**
 * The guard of the shape: a block driver that knows nothing of formats, modes, threads, addresses.
 * It writes blocks and reads them again, one at a time; its result is the number of blocks that were right.
 */
import { BlockRequest } from "../../../src/endpoints/devices/block/index.ts";
import type { RingDriver, RingDriverHost } from "../../../src/core/runtime/index.ts";
import { SegmentList } from "../../../src/core/virtqueue/index.ts";
import { DISK_BYTES, pattern } from "./session.ts";

const BLOCK = 4096;

export function createRingDriver(
  { queue, memory, publish }: RingDriverHost,
  blocks: unknown,
): RingDriver {
  const total = 2 * Number(blocks);
  const buffer = memory.allocate(32 + BLOCK, 64);
  const { bytes } = buffer;
  const data = bytes.subarray(32);
  const head = new DataView(bytes.buffer, bytes.byteOffset);
  const segments = new SegmentList(3);
  let at = 0;
  let right = 0;
  return {
    dueUs: -1,
    get finished() {
      return at === total;
    },
    completing: () => undefined,
    submit() {
      if (at === total) return;
      const block = at % (total / 2);
      const writes = at < total / 2;
      if (writes) data.set(pattern(block));
      else data.fill(0);
      head.setUint32(0, writes ? BlockRequest.Out : BlockRequest.In, true);
      head.setBigUint64(8, BigInt((((block * 7) % (DISK_BYTES / BLOCK)) * BLOCK) / 512), true);
      bytes[16] = 0xff;
      segments.clear();
      segments.pushPart(buffer, 0, 16);
      segments.pushPart(buffer, 32, BLOCK);
      segments.pushPart(buffer, 16, 1);
      queue.add(segments, writes ? 2 : 1, 0);
      publish();
    },
    done() {
      const isRight = at < total / 2 || Buffer.compare(data, pattern(at % (total / 2))) === 0;
      if (bytes[16] === 0 && isRight) right += 1;
      at += 1;
    },
    finish: () => undefined,
    result: () => right,
  };
}
