import type { RunningQueue } from "../../../../../src/core/runtime/index.ts";
import type { ServedQueue } from "../../../../../src/core/virtqueue/index.ts";
import type { Device } from "../../../../../src/endpoints/backend/index.ts";
import { WrappedDevice } from "../../../../../src/lab/faults/wrapped-device.ts";

/** Region 0 is not used, region 1 has a page and region 3 a mebibyte. */
const SIZES = [0n, 4096n, 0n, 1n << 20n];

/** A disk that has shared memory regions, which a disk has no use for: they are only announced. */
export class SharedMemoryDisk extends WrappedDevice {
  constructor(disk: Device) {
    super(disk, { sharedMemory: SIZES });
  }

  protected override wrapQueue({ queue }: RunningQueue): ServedQueue {
    return queue;
  }
}
