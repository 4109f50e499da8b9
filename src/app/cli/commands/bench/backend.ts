import { BackendServer, type Device } from "../../../../endpoints/backend/index.ts";
import { makeRecordedFolder, ManagedProcess } from "../../../../lab/programs/index.ts";
import type { BenchReport } from "../../../../lab/results/index.ts";
import type { RingMode } from "../../../../core/runtime/index.ts";
import { splitWords } from "../../../../lab/conformance/index.ts";
import type { Context } from "../../context.ts";
import { wordsWithSocket } from "../../exec-backend.ts";
import { CommandError, ExitCode } from "../../exit-code.ts";
import { type Count, type CountOptions, type CountResult, measureCount } from "./backend-count.ts";
import { displayCourse, failureOf } from "./course.ts";
import { describeEnvironment, Disturbances } from "./environment.ts";
import { endOf, publish, publishPartial, type PublishOptions, readBaseline } from "./publish.ts";

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
}

/** The devices that count the served requests, one per session. */
export interface Counting {
  readonly device: () => Device;
  readonly count: () => Count;
  readonly close: () => void;
}

/** The back-end of a device type, to be measured. */
export interface MeasuredBackend {
  /** The device type. */
  readonly type: string;
  /** The options of the type, for the report. */
  readonly options: BenchReport["options"];
  /** The unit that is counted, and the name of its rate, for example `IOPS`. */
  readonly noun: string;
  readonly unit: string;
  /**
   * Returns the figures of the report.
   *
   * @param requests a second
   * @param bytes a second
   */
  rates(requests: number, bytes: number): Partial<BenchReport>;
  /** Opens what the devices serve. */
  open(): Counting;
}

/**
 * Measures our back-end under the load of another program, counted by the device.
 *
 * @throws {CommandError} the load failed, ended before there was something to measure, or sends
 *   nothing any more
 */
export async function benchBackend(
  measured: MeasuredBackend,
  options: BenchBackendOptions,
  context: Context,
): Promise<void> {
  const { output, signal } = context;
  const { queues, workers, ringMode, warmup: warmUpMs, load } = options;
  const workload = {
    bench: `backend ${measured.type}`,
    options: {
      queues,
      workers: workers === true,
      ringMode,
      warmUpMs,
      ...measured.options,
    },
  };
  const baseline = readBaseline(options, workload);
  const words = load === undefined ? undefined : splitWords(load);
  const folder = makeRecordedFolder("bench");
  const socket = options.socket ?? `${folder.path}/backend.sock`;
  const disturbances = new Disturbances();
  const reportOf = (result: CountResult): BenchReport => {
    const { requests, bytes, seconds, perSecond, early } = result;
    const perSecondOf = (amount: number): number => (seconds > 0 ? amount / seconds : 0);
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
      ...measured.rates(perSecondOf(requests), perSecondOf(bytes)),
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
    counting = measured.open();
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
      // Without --load the front-end is started by hand, at any time.
      stallMs: running && options.stallTimeout,
      ...displayCount(measured, options, context),
    });
    report = reportOf(result);
    if (result.failure !== undefined) {
      publishPartial(report, options, context);
      throw failureOf(result.failure);
    }
    expectLoad(running, result);
  } finally {
    server?.close();
    counting?.close();
    folder.remove();
  }
  publish(report, options, baseline, context);
}

function displayCount(
  { noun, unit }: MeasuredBackend,
  { warmup: warmUpMs, runtime: durationMs }: BenchBackendOptions,
  context: Context,
): Pick<CountOptions, "onStart" | "onLook"> {
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
  const what =
    "the load ended without a measured request; have it send requests for longer than --warmup";
  throw new CommandError(
    ExitCode.Failed,
    failed && running
      ? running.exitError("during the measurement").message
      : (running?.describe(what) ?? what),
  );
}
