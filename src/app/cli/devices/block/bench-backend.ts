import { BlockDevice } from "../../../../endpoints/devices/block/index.ts";
import { BlockStorage } from "../../../../endpoints/storage/index.ts";
import {
  benchBackend,
  type BenchBackendOptions,
  type Counting,
} from "../../commands/bench/backend.ts";
import type { Context } from "../../context.ts";
import { withUserFile } from "../../files.ts";

interface BenchBlockBackendOptions extends BenchBackendOptions {
  readonly size?: number | undefined;
  readonly null?: true | undefined;
  readonly image?: string | undefined;
}

const DEFAULT_SIZE = 64 << 20;

/**
 * Measures our block back-end.
 *
 * @throws {CommandError} the load failed, or nothing was measured
 */
export async function benchBlockBackend(
  options: BenchBlockBackendOptions,
  context: Context,
): Promise<void> {
  const { image, size } = options;
  const measured = {
    type: "block",
    options: {
      null: options.null === true,
      image: image !== undefined,
      ...(size !== undefined && { size }),
    },
    noun: "request",
    unit: "IOPS",
    rates: (iops: number) => ({ iops }),
    open: () => counting(options),
  };
  await benchBackend(measured, options, context);
}

function counting({ queues, image, size, null: isNull }: BenchBlockBackendOptions): Counting {
  const storage =
    image === undefined
      ? BlockStorage.memory(size ?? DEFAULT_SIZE, { isNull: isNull === true })
      : withUserFile(image, "a read-only image", "make one with: truncate", () =>
          BlockStorage.open(image, { readOnly: true }),
        );
  const devices: BlockDevice[] = [];
  return {
    device: () => {
      const device = new BlockDevice({ storage, queues });
      devices.push(device);
      return device;
    },
    count: () => ({
      requests: devices.reduce((sum, { requests }) => sum + requests, 0),
      bytes: 0,
    }),
    close: () => storage.close(),
  };
}
