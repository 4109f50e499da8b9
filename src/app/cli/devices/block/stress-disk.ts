import { counted, UsageError } from "../../../../core/base/index.ts";
import {
  blockConfigLayout,
  BLOCK_DRIVER_FEATURES,
  BlockDriver,
  BlockFeature,
  decodeBlockConfig,
  SECTOR_SIZE,
} from "../../../../endpoints/devices/block/index.ts";
import { blockType } from "../../../../endpoints/devices/block/type.ts";
import { Client } from "../../../../endpoints/frontend/index.ts";
import { MismatchError, runBlockPass } from "../../../../lab/kits/block/workloads/index.ts";
import { expectDevice } from "../../../../lab/probe/expect-device.ts";

interface DiskOptions {
  readonly overwrite?: true | undefined;
  /** Milliseconds. */
  readonly timeout: number;
  readonly ioTimeout: number;
}

/**
 * Looks whether a disk can take the stress, and whether it may.
 *
 * @param size bytes that will be written over, from its beginning
 * @throws {UsageError} it is read-only or too small, or there is data and no `overwrite`; what the
 *   client throws
 */
export async function expectDisk(
  socket: string,
  size: number,
  { overwrite, timeout, ioTimeout: stallMs }: DiskOptions,
  signal: AbortSignal,
): Promise<void> {
  await using client = await Client.connect(socket, {
    deviceFeatures: BLOCK_DRIVER_FEATURES,
    timeoutMs: timeout,
    signal,
  });
  await expectDevice(client, blockType);
  const config = decodeBlockConfig(await client.requests.getLargestConfig(blockConfigLayout.sizes));
  const capacity = Number(config.capacity) * SECTOR_SIZE;
  if (capacity < size)
    throw new UsageError(
      `the disk has ${counted(capacity, "byte")} and must have at least ${size} for this number of --clients`,
    );
  if ((client.features & BlockFeature.ReadOnly) !== 0n)
    throw new UsageError("the disk is read-only; use a writable disk");
  if (overwrite) return;
  const driver = await BlockDriver.start(client, { depth: 8, transferBytes: 16_384 });
  const [queue] = driver.queues;
  if (queue === undefined)
    throw new UsageError("the device has no queue; use a device with at least one");
  await runBlockPass(queue, { work: "expect-blank", size, seed: 0, signal, stallMs }).catch(
    (error: unknown) => {
      if (!(error instanceof MismatchError)) throw error;
      throw new UsageError(
        `the disk is not blank: there is data at byte ${error.offset}; add --overwrite to overwrite its first ${counted(size, "byte")}`,
      );
    },
  );
}
