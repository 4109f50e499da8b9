import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { delay } from "../../base/index.ts";
import { type DeviceName, FrontendRequest } from "../../protocol/index.ts";
import { Exchange } from "../exchange.ts";
import { CheckFailure } from "../failure.ts";
import { Findings } from "../findings.ts";
import { endText } from "../target/target.ts";
import type { Times } from "../times.ts";
import { type Message, Mock, type MockOptions } from "./mock.ts";
import type { FrontendRun, FrontendTarget } from "./target.ts";

const LOOK_MS = 10;
/** Of the time for an answer: a front-end that has not said anything for so long has done. */
const QUIET = 0.3;

/** A front-end that runs against our mock. */
export interface Talk {
  readonly run: FrontendRun;
  readonly mock: Mock;
}

/** What a check of a front-end is given. */
export class FrontendContext extends Findings {
  readonly target: FrontendTarget;
  readonly device: DeviceName;
  readonly times: Times;
  readonly exchange: Exchange;
  readonly #talks: Talk[] = [];
  readonly #folders: string[] = [];

  constructor(target: FrontendTarget, device: DeviceName, times: Times) {
    super();
    this.target = target;
    this.device = device;
    this.times = times;
    this.exchange = new Exchange(device);
  }

  /** Listens as a back-end with these options, and starts the front-end. */
  async boot(options: MockOptions = {}): Promise<Talk> {
    const folder = mkdtempSync(join(tmpdir(), "vhost-user-conform-"));
    this.#folders.push(folder);
    const path = join(folder, "mock.sock");
    const mock = await Mock.listen(path, this.device, this.exchange, options);
    try {
      const talk = { mock, run: await this.target.start(path) };
      this.#talks.push(talk);
      return talk;
    } catch (error) {
      await mock.close();
      throw error;
    }
  }

  /**
   * {@link boot}, and then waits until the front-end has started a ring and goes quiet, or has
   * ended, or time is over.
   *
   * @returns what it sent
   * @throws {CheckFailure} it sent nothing at all
   */
  async talk(options: MockOptions = {}): Promise<readonly Message[]> {
    const { mock, run } = await this.boot(options);
    const deadline = performance.now() + 2 * this.times.againMs;
    const quietMs = this.times.answerMs * QUIET;
    let count = 0;
    let since = performance.now();
    while (run.end === undefined && performance.now() < deadline) {
      await delay(LOOK_MS);
      const { messages } = mock;
      if (messages.length !== count) since = performance.now();
      count = messages.length;
      if (this.#hasStarted(messages) && performance.now() - since > quietMs) break;
    }
    // What a front-end that has ended sent before is still on its way.
    if (run.end) await mock.drained(this.times.answerMs);
    if (mock.messages.length > 0) return mock.messages;
    const actual = run.end ? `nothing; it ${endText(run.end)}` : "nothing";
    throw new CheckFailure("expected the front-end to connect", { expected: "messages", actual });
  }

  /** What the front-ends printed. */
  get output(): string {
    return this.#talks.map(({ run }) => run.output).join("");
  }

  /** Front-ends that ended by themselves. */
  get ends() {
    return this.#talks.flatMap(({ run }) => run.end ?? []);
  }

  /** Ends front-ends and mocks. */
  async close(): Promise<void> {
    for (const { run, mock } of this.#talks) {
      await run.stop();
      await mock.close();
    }
    for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true });
  }

  #hasStarted(messages: readonly Message[]): boolean {
    return messages.some(({ header }) => header.request === FrontendRequest.SetVringKick);
  }
}
