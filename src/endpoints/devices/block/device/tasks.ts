import type { RunningQueue } from "../../../../core/runtime/index.ts";
import { IoKind } from "../../../storage/index.ts";
import { BlockTask } from "./task.ts";

/** The tasks of a server: those in use, and those that wait for the next request. */
export class BlockTasks {
  readonly #all: BlockTask[] = [];
  readonly #free: BlockTask[] = [];
  /** Started tasks, by ring, but those that were suspended. */
  readonly #started: number[] = [];
  readonly #idle: (() => void)[][] = [];

  take(): BlockTask {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const task = new BlockTask(this.#all.length);
    this.#all.push(task);
    return task;
  }

  release(task: BlockTask): void {
    task.running = undefined;
    this.#free.push(task);
  }

  /** The engine has the task from now on. */
  start(task: BlockTask, { index }: RunningQueue): void {
    task.started = true;
    this.#started[index] = (this.#started[index] ?? 0) + 1;
  }

  /** The engine has completed a task, which may start again before {@link settle}. */
  end(task: BlockTask, { index }: RunningQueue): void {
    task.started = false;
    this.#started[index] = (this.#started[index] ?? 1) - 1;
  }

  /** Resolves the promises of {@link quiesce} once a ring has no started task. */
  settle({ index }: RunningQueue): void {
    const idle = this.#idle[index];
    if (idle === undefined || this.#started[index] !== 0) return;
    for (const resolve of idle.splice(0)) resolve();
  }

  /** The engine has completed a suspended task. */
  endSuspended(task: BlockTask): void {
    const { suspended } = task;
    task.started = false;
    task.suspended = undefined;
    if (suspended === undefined || !changesAnything(task)) return;
    suspended.left -= 1;
    if (suspended.left === 0) suspended.resolve();
  }

  /** Resolves once no task of a ring is started. */
  async quiesce(index: number): Promise<void> {
    if ((this.#started[index] ?? 0) === 0) return;
    await new Promise<void>((resolve) => {
      (this.#idle[index] ??= []).push(resolve);
    });
  }

  /**
   * Suspends the started tasks of a ring: none of them completes its chain. The promise resolves
   * once the kernel accesses none of their memory, and none of them changes the image any more: who
   * takes the ring over repeats them, and a late change would undo what came after it.
   */
  suspend(index: number): Promise<void> | undefined {
    const tasks = this.#all.filter((task) => isOf(task, index));
    const moving = tasks.filter(changesAnything).length;
    this.#started[index] = 0;
    let resolve: () => void = () => undefined;
    const done = new Promise<void>((settle) => (resolve = settle));
    const suspended = { left: moving, resolve };
    for (const task of tasks) task.suspended = suspended;
    return moving === 0 ? undefined : done;
  }

  /** Describes a started task: of one ring, or of any. */
  describe(index?: number): string {
    const task = this.#all.find(
      (each) => each.started && (index === undefined || isOf(each, index)),
    );
    return task?.describe() ?? "a request";
  }
}

/** Returns whether a task accesses guest memory, or changes the image. */
function changesAnything({ kind }: BlockTask): boolean {
  return kind !== IoKind.Flush;
}

function isOf({ started, suspended, running }: BlockTask, index: number): boolean {
  return started && suspended === undefined && running?.index === index;
}
