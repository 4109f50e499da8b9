import { asError } from "../../../../core/base/index.ts";
import { fdatasyncSync, fstatSync, statSync } from "node:fs";
import { BlockDevice } from "../../../../endpoints/devices/block/index.ts";
import {
  BlockStorage,
  chooseEngine,
  type EngineChoice,
  type EngineName,
} from "../../../../endpoints/storage/index.ts";
import { type CleanUpStep, withCleanUp } from "../../clean-up.ts";
import type { Context } from "../../context.ts";
import { withUserFile } from "../../files.ts";
import type { RingMode } from "../../../../core/runtime/index.ts";
import { formatSize } from "../../units.ts";
import {
  endOnSignal,
  expectOneSocket,
  listedFaults,
  serveDevice,
  type ServeOptions,
} from "../../commands/serve/common.ts";

const DEFAULT_SIZE = 64 << 20;
/** Has the image's size read again. */
const RESIZE_SIGNAL = "SIGUSR1";

export interface ServeBlockOptions extends ServeOptions {
  readonly image?: string | undefined;
  readonly size?: number | undefined;
  readonly null?: true | undefined;
  readonly readOnly?: true | undefined;
  readonly engine: EngineName | "auto";
  readonly direct?: true | undefined;
  readonly queues: number;
  readonly workers?: true | undefined;
  readonly ringMode: RingMode;
}

export async function serveBlock(options: ServeBlockOptions, context: Context): Promise<void> {
  if (listedFaults(options, context)) return;
  expectOneSocket(options, context);
  const { queues, workers, ringMode } = options;
  const readOnly = options.readOnly === true;
  const isNull = options.null === true;
  const storage =
    options.image === undefined
      ? BlockStorage.memory(options.size ?? DEFAULT_SIZE, { readOnly, isNull })
      : openImage(options.image, readOnly, options.direct === true);
  const disk = options.image ?? "the disk in memory";
  const engine = closingOnError(storage, () =>
    chooseEngine(options.engine, storage, workers === true),
  );
  const steps: readonly CleanUpStep[] = [
    {
      what: `synchronise ${disk}`,
      consequence: "writes that no guest flushed may be lost",
      run: () => (readOnly ? undefined : fdatasyncSync(storage.fd)),
    },
    { what: `close ${disk}`, run: () => storage.close() },
  ];
  const what = `block, ${formatSize(storage.size)}${readOnly ? ", read-only" : ""}${isNull ? ", moves no data" : ""}, queues: ${queues}${options.image === undefined ? "" : describeEngine(engine, storage.direct)}`;
  const served = { ...options, rings: { workers, ringMode } };
  const reread = (): void => rereadSize(storage, options.image, context);
  process.on(RESIZE_SIGNAL, reread);
  try {
    await withCleanUp(context, steps, async () =>
      serveDevice(
        served,
        context,
        what,
        () => new BlockDevice({ storage, queues, engine: engine.name }),
      ),
    );
  } finally {
    process.off(RESIZE_SIGNAL, reread);
  }
  endOnSignal(context);
}

function closingOnError<T>(storage: BlockStorage, work: () => T): T {
  try {
    return work();
  } catch (error) {
    storage.close();
    throw error;
  }
}

function describeEngine({ name, reason }: EngineChoice, direct: boolean): string {
  const why = name === "uring" || reason === undefined ? "" : `, as ${reason}`;
  return `${direct ? ", O_DIRECT" : ""}, engine: ${name}${why}`;
}

/** Keeps serving the old size when the size of the image is not valid. */
function rereadSize(storage: BlockStorage, image: string | undefined, { output }: Context): void {
  try {
    const changed = storage.refresh();
    const other = image === undefined ? "" : whatBecameOf(image, storage);
    output.note(`${changed ? "now" : "still"} ${formatSize(storage.size)}${other}`);
  } catch (error) {
    output.note(`not resized: ${asError(error).message}`);
  }
}

/** The file that was opened is served, also where its path leads to another one by now (`mv`). */
function whatBecameOf(path: string, storage: BlockStorage): string {
  const served = fstatSync(storage.fd, { bigint: true });
  const now = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (now?.dev === served.dev && now.ino === served.ino) return "";
  const what = now === undefined ? "no longer exists" : "is another file now";
  return `: ${path} ${what}; the old file is still served until serve is started again`;
}

function openImage(path: string, readOnly: boolean, direct: boolean): BlockStorage {
  const role = readOnly ? "a read-only image" : "a writable image";
  const remedy = `make one with: truncate -s 64M ${path}`;
  return withUserFile(path, role, remedy, () => BlockStorage.open(path, { readOnly, direct }));
}
