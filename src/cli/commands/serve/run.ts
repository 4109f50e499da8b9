import { fdatasyncSync } from "node:fs";
import { BlockDevice, BlockStorage } from "../../../devices/block/index.ts";
import type { Context } from "../../context.ts";
import { withUserFile } from "../../files.ts";
import type { RingMode } from "../../../runtime/index.ts";
import { formatSize } from "../../units.ts";
import {
  endOnSignal,
  expectOneSocket,
  listedFaults,
  serveDevice,
  type ServeOptions,
} from "./common.ts";

const DEFAULT_SIZE = 64 << 20;

export interface ServeBlockOptions extends ServeOptions {
  readonly image?: string | undefined;
  readonly size?: number | undefined;
  readonly readOnly?: true | undefined;
  readonly queues: number;
  readonly workers?: true | undefined;
  readonly mode: RingMode;
}

export async function serveBlock(options: ServeBlockOptions, context: Context): Promise<void> {
  if (listedFaults(options, context)) return;
  expectOneSocket(options);
  const { queues, workers, mode } = options;
  const readOnly = options.readOnly === true;
  const storage =
    options.image === undefined
      ? BlockStorage.memory(options.size ?? DEFAULT_SIZE, { readOnly })
      : openImage(options.image, readOnly);
  try {
    const what = `block, ${formatSize(storage.size)}${readOnly ? ", read-only" : ""}, queues: ${queues}`;
    const served = { ...options, rings: { workers, mode } };
    await serveDevice(served, context, what, () => new BlockDevice({ storage, queues }));
    if (!readOnly) fdatasyncSync(storage.fd);
  } finally {
    storage.close();
  }
  endOnSignal(context);
}

function openImage(path: string, readOnly: boolean): BlockStorage {
  const expected = `an image that can be ${readOnly ? "read" : "read and written"}`;
  const remedy = `make one with: truncate -s 64M ${path}`;
  return withUserFile(path, expected, remedy, () => BlockStorage.open(path, { readOnly }));
}
