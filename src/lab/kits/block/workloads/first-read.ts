import { Deferred, DeviceError, StalledError } from "../../../../core/base/index.ts";
import {
  BLOCK_DRIVER_FEATURES,
  BlockQueue,
  BlockRequest,
  BlockStatus,
  blockType,
} from "../../../../endpoints/devices/block/index.ts";
import type { FirstRequest } from "../../../workloads/index.ts";

const SECTOR = 512;
const QUEUE_SIZE = 16;

/** Reads the first sector of a disk. */
export const firstRead: FirstRequest = {
  device: blockType,
  deviceFeatures: BLOCK_DRIVER_FEATURES,
  async submit(client, { signal, timeoutMs }) {
    const done = new Deferred<void>({ signal, timeoutMs }, () => {
      const idleMs = timeoutMs ?? 0;
      return new StalledError(idleMs, [{ queue: 0, inFlight: 1, idleMs }]);
    });
    const queue = await BlockQueue.start(
      client,
      { index: 0, size: QUEUE_SIZE, depth: 1, transferBytes: SECTOR, ringMode: "event" },
      {
        done: (_slot, status) => {
          if (status === BlockStatus.Ok) done.resolve();
          else
            done.reject(new DeviceError(status, `reading sector 0: the device answered ${status}`));
        },
        failed: (error) => done.reject(error),
      },
    );
    queue.submit(queue.acquire(), BlockRequest.In, 0, SECTOR);
    queue.publish();
    return { completed: done.promise };
  },
};
