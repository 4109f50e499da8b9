import { BackendServer, type Device } from "../../../../endpoints/backend/index.ts";
import { BlockDevice, BlockStorage } from "../../../../endpoints/devices/block/index.ts";
import { NetSinkDevice } from "../../../../endpoints/devices/net/index.ts";
import { makeRecordedFolder, ManagedProcess } from "../../../../lab/programs/index.ts";
import type { BenchReport } from "../../../../lab/results/index.ts";
import type { RingMode } from "../../../../core/runtime/index.ts";
import { splitWords } from "../../../../lab/conformance/index.ts";
import type { Context } from "../../context.ts";
import { wordsWithSocket } from "../../exec-backend.ts";
import { CommandError, ExitCode } from "../../exit-code.ts";
import { withUserFile } from "../../files.ts";
import { type Count, type CountOptions, type CountResult, measureCount } from "./backend-count.ts";
import { displayCourse } from "./course.ts";
import { describeEnvironment, Disturbances } from "./environment.ts";
import { endOf, publish, publishEarlyEnd, type PublishOptions, readBaseline } from "./publish.ts";

export interface BenchBackendOptions extends PublishOptions {
  readonly socket?: string | undefined;
  /** A command that is the load. */
  readonly load?: string | undefined;
  /** Milliseconds. */
  readonly runtime: number;
  readonly warmup: number;
  readonly stallTimeout: number;
  readonly queues: number;
  readonly workers?: true | undefined;
  readonly ringMode: RingMode;
  readonly size?: number | undefined;
  readonly null?: true | undefined;
  readonly image?: string | undefined;
}

const DEFAULT_SIZE = 64 << 20;

/** What is measured: devices that count, one a session. */
interface Counting {
  readonly device: () => Device;
  readonly count: () => Count;
  readonly close: () => void;
}

/**
 * Our back-end under somebody else's load, counted by the device.
 *
 * @throws {CommandError} the load failed, ended before there was something to measure, or sends
 *   nothing any more
 */
export async function benchBackend(
  type: "block" | "net",
  options: BenchBackendOptions,
  context: Context,
): Promise<void> {
  const { output, signal } = context;
  const { queues, workers, ringMode, warmup: warmUpMs, load, image, size } = options;
  const workload = {
    bench: `backend ${type}`,
    options: {
      queues,
      workers: workers === true,
      ringMode,
      warmUpMs,
      ...(type === "block" && { null: options.null === true, image: image !== undefined }),
      ...(size !== undefined && { size }),
    },
  };
  const baseline = readBaseline(options, workload);
  const words = load === undefined ? undefined : splitWords(load);
  const folder = makeRecordedFolder("bench");
  const socket = options.socket ?? `${folder.path}/backend.sock`;
  const disturbances = new Disturbances();
  const reportOf = (result: CountResult): BenchReport => {
    const { requests, bytes, seconds, perSecond, early } = result;
    const rate = seconds > 0 ? requests / seconds : 0;
    const warnings = disturbances.warnings();
    if (early)
      warnings.push("the load ended before --runtime: measured until its last request, to 20 ms");
    return {
      schemaVersion: 1,
      kind: "bench",
      ...workload,
      target: load ?? socket,
      ...endOf(result.failure, signal),
      requests,
      seconds,
      ...(type === "block"
        ? { iops: rate }
        : { framesPerSecond: rate, bytesPerSecond: seconds > 0 ? bytes / seconds : 0 }),
      perSecond,
      environment: describeEnvironment(),
      warnings,
    };
  };
  let counting: Counting | undefined;
  let server: BackendServer | undefined;
  let report: BenchReport;
  try {
    const filled = words && wordsWithSocket(words, socket);
    counting = type === "block" ? countingBlock(options) : countingNet(queues);
    const rings = { workers, ringMode };
    server = await BackendServer.listen(socket, {
      device: counting.device,
      rings,
      onProblem: (problem) => output.note(`problem: ${problem.message}`),
    });
    const [program, ...args] = filled ?? [];
    if (program === undefined) output.note(`listening on ${socket}; waiting for a front-end`);
    await using running =
      program === undefined ? undefined : await ManagedProcess.spawn(program, args);
    const result = await measureCount(counting.count, {
      warmUpMs,
      durationMs: options.runtime,
      signal,
      isOver: () => running?.exit !== undefined,
      // Without --load another person starts the front-end, whenever they want to.
      stallMs: running && options.stallTimeout,
      ...displayCount(type, options, context),
    });
    report = publishEarlyEnd(reportOf(result), result.failure, options, context);
    expectLoad(running, result);
  } finally {
    server?.close();
    counting?.close();
    folder.remove();
  }
  publish(report, options, baseline, context);
}

function displayCount(
  type: "block" | "net",
  { warmup: warmUpMs, runtime: durationMs }: BenchBackendOptions,
  context: Context,
): Pick<CountOptions, "onStart" | "onLook"> {
  const [noun, unit] = type === "block" ? ["request", "IOPS"] : ["frame", "frames/s"];
  const display = { noun, unit, warmUpMs, durationMs, stallMs: undefined };
  const course = displayCourse(context, display);
  let isWaiting = true;
  return {
    onStart: () => {
      isWaiting = false;
      course.onStart();
    },
    onLook: (completed, idleMs) => {
      if (isWaiting) context.output.progress(() => `waiting for the first ${noun}`);
      else course.onProgress({ completed, idleMs });
    },
  };
}

function expectLoad(running: ManagedProcess | undefined, { requests }: CountResult): void {
  const exit = running?.exit;
  const failed = exit !== undefined && exit.code !== 0;
  if (!failed && requests > 0) return;
  const what = "expected a load that sends requests until it has been measured, after --warmup";
  throw new CommandError(
    ExitCode.Failed,
    failed && running ? running.exitError("under way").message : (running?.describe(what) ?? what),
  );
}

function countingBlock({ queues, image, size, null: isNull }: BenchBackendOptions): Counting {
  const storage =
    image === undefined
      ? BlockStorage.memory(size ?? DEFAULT_SIZE, { isNull: isNull === true })
      : withUserFile(image, "an image that can be read", "make one with: truncate", () =>
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

function countingNet(queuePairs: number): Counting {
  const devices: NetSinkDevice[] = [];
  return {
    device: () => {
      const device = new NetSinkDevice({ queuePairs });
      devices.push(device);
      return device;
    },
    count: () => {
      const all = devices.map(({ counters }) => counters);
      return {
        requests: all.reduce((sum, { txFrames }) => sum + txFrames, 0),
        bytes: all.reduce((sum, { txBytes }) => sum + txBytes, 0),
      };
    },
    close: () => undefined,
  };
}
