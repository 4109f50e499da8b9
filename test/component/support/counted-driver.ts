/** A driver for tests that submits the number of chains in shared memory, and counts them there: two i32. */
import type { RingDriver, RingDriverHost } from "../../../src/core/runtime/index.ts";
import { SegmentList } from "../../../src/core/virtqueue/index.ts";

export function createRingDriver(
  { queue, memory, publish }: RingDriverHost,
  data: unknown,
): RingDriver {
  const counts = new Int32Array(data as SharedArrayBuffer);
  const buffer = memory.allocate(64);
  const segments = new SegmentList(1);
  segments.pushPart(buffer, 0, 64);
  let submitted = 0;
  return {
    get dueUs() {
      return submitted < Atomics.load(counts, 0) ? 0 : 1000;
    },
    finished: false,
    completing: () => undefined,
    submit() {
      if (submitted === Atomics.load(counts, 0)) return;
      submitted += 1;
      Atomics.store(counts, 1, submitted);
      queue.add(segments, 1, submitted);
      publish();
    },
    done: () => undefined,
    finish: () => undefined,
    result: () => submitted,
  };
}
