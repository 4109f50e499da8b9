import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asError, delay } from "../../../../core/base/index.ts";
import { FrontendRequest } from "../../../../core/protocol/index.ts";
import { Exchange } from "../exchange.ts";
import { soon } from "../back-end/soon.ts";
import { Findings } from "../findings.ts";
import { SilentFrontend } from "./silent-front-end.ts";
import { endText, type ProcessEnd } from "../../targets/target.ts";
import type { Times } from "../times.ts";
import type { RequestKit } from "../back-end/kit.ts";
import { type Message, Mock, type MockOptions } from "./mock.ts";
import { frontendShows } from "./observations.ts";
import type { FrontendRun, FrontendTarget } from "./target.ts";

const LOOK_MS = 10;
/** Share of the answer time after which a silent front-end counts as settled. */
const QUIET = 0.3;
/** Connections after which a front-end counts as settled: it would go on reconnecting. */
const RESTLESS = 5;

const STARTS: readonly number[] = [FrontendRequest.SetVringKick, FrontendRequest.VringKick];

/** A front-end that runs against our mock. */
export interface MockedFrontend {
  readonly run: FrontendRun;
  readonly mock: Mock;
}

/** True if what a check waits for has happened. */
export type Done = (mock: Pick<Mock, "messages" | "conversations">) => boolean;

/**
 * The context of a check of a front-end.
 *
 * @example
 * ```ts
 * import type { FrontendCheck } from "vhost-user/conformance";
 *
 * const check: FrontendCheck = {
 *   id: "mine/2",
 *   title: "the front-end connects and negotiates",
 *   strength: "MUST",
 *   section: "Front-end",
 *   observes: ["request"],
 *   async run(t) {
 *     await t.boot();
 *   },
 * };
 * console.log(check.id);
 * ```
 */
export class FrontendContext extends Findings {
  readonly target: FrontendTarget;
  readonly kit: RequestKit;
  readonly times: Times;
  readonly #frontends: MockedFrontend[] = [];
  readonly #ends: ProcessEnd[] = [];
  readonly #closing: { close(): void }[] = [];
  /** Boots that have not finished. */
  readonly #booting = new Set<Promise<MockedFrontend>>();
  /** Every mock that a front-end was started for. */
  readonly #booted: Mock[] = [];
  #closed = false;
  #output = "";
  readonly #folders: string[] = [];

  constructor(target: FrontendTarget, kit: RequestKit, times: Times) {
    super(new Exchange(kit.kind, frontendShows));
    this.target = target;
    this.kit = kit;
    this.times = times;
  }

  /**
   * Listens as a back-end with these options, and starts the front-end.
   *
   * @throws {Error} the check is over
   */
  async boot(options: MockOptions = {}): Promise<MockedFrontend> {
    this.#expectOpen();
    const booting = this.#boot(options);
    this.#booting.add(booting);
    try {
      return await booting;
    } finally {
      this.#booting.delete(booting);
    }
  }

  async #boot(options: MockOptions): Promise<MockedFrontend> {
    const folder = mkdtempSync(join(tmpdir(), "vhost-user-conform-"));
    this.#folders.push(folder);
    const { socketPath } = this.target;
    const path = socketPath ?? join(folder, "mock.sock");
    // There is one path for all connections then: the one before is over.
    if (socketPath !== undefined) for (const { mock } of this.#frontends) await mock.close();
    const mock = await Mock.listen(path, this.kit, this.exchange, options);
    try {
      this.#expectOpen();
      this.#booted.push(mock);
      const frontend = { mock, run: await this.target.start(path) };
      this.#frontends.push(frontend);
      return frontend;
    } catch (error) {
      await mock.close();
      throw error;
    }
  }

  /** A check that ran out of time is still at work: it is to start nothing more. */
  #expectOpen(): void {
    if (this.#closed) throw new Error("the check is over");
  }

  /**
   * {@link boot}, and then waits until `done` says so and the front-end goes quiet, or it has
   * ended, or time is over.
   *
   * @param done default: the front-end has started a ring
   * @throws {SilentFrontend} it sent nothing at all
   */
  async meet(options: MockOptions = {}, done: Done = hasStarted): Promise<MockedFrontend> {
    const frontend = await this.boot(options);
    await this.settled(frontend, done);
    const { mock, run } = frontend;
    if (mock.messages.length > 0) return frontend;
    const actual = run.end ? `nothing; it ${endText(run.end)}` : "nothing";
    throw new SilentFrontend(mock.conversations.length > 0, actual);
  }

  /**
   * Like {@link meet}; what the front-end sent.
   *
   * @throws {CaseFailure}
   */
  async frontend(options: MockOptions = {}, done: Done = hasStarted): Promise<readonly Message[]> {
    return (await this.meet(options, done)).mock.messages;
  }

  /** Waits as {@link meet} does. Returns whether `done` was true in the end. */
  async settled({ mock, run }: MockedFrontend, done: Done): Promise<boolean> {
    const deadline = performance.now() + 2 * this.times.againMs;
    const quietMs = this.times.answerMs * QUIET;
    let count = 0;
    let since = performance.now();
    while (run.end === undefined && performance.now() < deadline) {
      this.#expectOpen();
      await delay(LOOK_MS);
      const { length } = mock.messages;
      if (length !== count) since = performance.now();
      count = length;
      const quiet = performance.now() - since > quietMs;
      if (done(mock) && (quiet || mock.conversations.length > RESTLESS)) break;
    }
    // What a front-end that has ended sent before is still on its way.
    if (run.end) await mock.drained(this.times.answerMs);
    return done(mock);
  }

  /**
   * The front-end lives, or has ended in an orderly way: `service` is observed. Of one that the suite
   * did not start, nothing is known until it connects again.
   *
   * @throws {CaseFailure} it was killed by a signal, or neither answers its monitor nor reconnects
   */
  async survives({ run, mock }: MockedFrontend, what: string): Promise<void> {
    const { end } = run;
    if (end !== undefined && end.signal !== null) {
      this.fail(what, "a front-end that goes on, or ends in an orderly way", endText(end), "FAIL");
    }
    const isOurs = this.target.socketPath === undefined;
    if (end !== undefined || (isOurs && !this.target.hasMonitor)) return this.observe("service");
    if (!this.target.hasMonitor) return;
    let answer: Error | true | undefined;
    void run
      .monitor()
      .then(async (monitor) => monitor.execute("query-status"))
      .then(
        () => (answer = true),
        (error: unknown) => (answer = asError(error)),
      );
    // QEMU's network card tries its back-end until it is served, and has no monitor until then.
    const { length } = mock.conversations;
    const limit = 2 * this.times.againMs;
    await soon(() => answer ?? (mock.conversations.length > length || undefined), limit);
    const isBack = mock.conversations.length > length;
    if (answer === true || isBack || run.end?.signal === null) return this.observe("service");
    const actual = run.end ? endText(run.end) : (answer?.message ?? "nothing");
    this.fail(what, "a front-end that answers its monitor", actual, "FAIL");
  }

  /** Closes a resource at the end of the check. */
  closing<T extends { close(): void }>(resource: T): T {
    this.#closing.push(resource);
    return resource;
  }

  /** Ends a front-end before the check does, where a check starts many. */
  async leave(frontend: MockedFrontend): Promise<void> {
    const { end } = frontend.run;
    if (end) this.#ends.push(end);
    await frontend.run.stop();
    await frontend.mock.close();
    this.#output += frontend.run.output;
    this.#frontends.splice(this.#frontends.indexOf(frontend), 1);
  }

  /** Front-ends were started, and none of them sent anything. */
  get isSilent(): boolean {
    return this.#booted.length > 0 && this.#booted.every((mock) => mock.messages.length === 0);
  }

  /** The output of the front-ends. */
  get output(): string {
    return this.#output + this.#frontends.map(({ run }) => run.output).join("");
  }

  /** Front-ends that ended by themselves. */
  get ends(): readonly ProcessEnd[] {
    return [...this.#ends, ...this.#frontends.flatMap(({ run }) => run.end ?? [])];
  }

  /** Ends front-ends and mocks, those that are about to start as well. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#booting);
    // The check may still leave some of them meanwhile.
    const talks = [...this.#frontends];
    for (const { run, mock } of talks) {
      await run.stop();
      await mock.close();
    }
    for (const resource of this.#closing.splice(0)) resource.close();
    for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true });
  }
}

/** True if the front-end has started a ring, with a descriptor for its kicks or by message. */
export const hasStarted: Done = ({ messages }) =>
  messages.some(({ header }) => STARTS.includes(header.request));
