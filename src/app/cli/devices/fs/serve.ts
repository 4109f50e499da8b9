import { readFileSync } from "node:fs";
import { UsageError } from "../../../../core/base/index.ts";
import { FsDevice, SharedFolder } from "../../../../endpoints/devices/fs/index.ts";
import { withCleanUp } from "../../clean-up.ts";
import type { Context } from "../../context.ts";
import { withUserFile } from "../../files.ts";
import {
  endOnSignal,
  expectOneSocket,
  listedFaults,
  serveDevice,
  type ServeOptions,
} from "../../commands/serve/common.ts";

/** Number of descriptors for sessions, rings and sockets of this process besides shared files. */
const RESERVED_DESCRIPTORS = 512;
/** Enough for any guest, and what hostile ones can make us hold. */
const MAX_DESCRIPTORS = 1_000_000;

export interface ServeFsOptions extends ServeOptions {
  readonly dir?: string | undefined;
  readonly tag: string;
  readonly queues: number;
}

export async function serveFs(options: ServeFsOptions, context: Context): Promise<void> {
  if (listedFaults(options, context)) return;
  expectOneSocket(options, context);
  const { dir, tag, queues } = options;
  if (dir === undefined)
    throw new UsageError("--dir FOLDER is missing; use --dir . to share the current folder");
  const folder = withUserFile(dir, "a shared folder", "name another with --dir", () =>
    SharedFolder.open(dir, { maxDescriptors: descriptorsToUse() }),
  );
  const steps = [{ what: `close ${dir}`, run: () => folder.close() }];
  const what = `fs, ${dir} as ${tag}, read-only, queues: ${queues}`;
  await withCleanUp(context, steps, async () =>
    serveDevice(options, context, what, () => new FsDevice({ folder, tag, queues })),
  );
  endOnSignal(context);
}

/**
 * Returns the number of descriptors for shared files: most of the process's limit, which Node has
 * raised to the hard limit.
 */
function descriptorsToUse(): number {
  const limits = readFileSync("/proc/self/limits", "utf8");
  const limit = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? MAX_DESCRIPTORS);
  const spare = Math.max(limit - RESERVED_DESCRIPTORS, Math.floor(limit / 2));
  return Math.min(MAX_DESCRIPTORS, spare);
}
