import { delay } from "../../../../core/base/index.ts";
import { Exchange } from "../exchange.ts";
import { CaseSkip } from "../../../engine/index.ts";
import type { Times } from "../times.ts";
import { hasStarted } from "./context.ts";
import type { RequestKit } from "../back-end/kit.ts";
import { type Message, Mock, type MockOptions } from "./mock.ts";
import type { FrontendRun, FrontendTarget } from "./target.ts";

const LOOK_MS = 20;

/**
 * A front-end that another program starts, and that connects to a path of the user's choice. It has to
 * connect again whenever its connection ends, or to be started again: each check is another connection.
 *
 * @example
 * ```ts
 * import { FrontendListener } from "vhost-user/conformance";
 *
 * const target = new FrontendListener("judged.sock");
 * console.log(target.socketPath);
 * ```
 */
export class FrontendListener implements FrontendTarget {
  readonly name: string;
  readonly hasMonitor = false;
  readonly socketPath: string;

  constructor(path: string) {
    this.name = path;
    this.socketPath = path;
  }

  /** Starts nothing: the user starts the front-end. */
  async start(): Promise<FrontendRun> {
    return {
      end: undefined,
      ended: new Promise(() => undefined),
      output: "",
      monitor: async () => {
        throw new CaseSkip("the suite did not start the front-end, and has no monitor of it");
      },
      stop: async () => undefined,
    };
  }

  /**
   * Waits for the first connection, however long that takes, and serves it until the front-end has
   * started a ring or has had the time for that.
   *
   * @param hooks of the back-end that it meets
   * @returns what it sent
   * @throws {CaseSkip} the suite cannot play such a device; `signal.reason`; the path cannot be listened on
   */
  async arrival(
    kit: RequestKit,
    times: Times,
    signal: AbortSignal,
    hooks: MockOptions = {},
  ): Promise<readonly Message[]> {
    const mock = await Mock.listen(this.socketPath, kit, new Exchange(kit.kind), hooks);
    try {
      while (mock.messages.length === 0) await delay(LOOK_MS, signal);
      const deadline = performance.now() + times.againMs;
      while (!hasStarted(mock) && performance.now() < deadline) await delay(LOOK_MS, signal);
      return mock.messages;
    } finally {
      await mock.close();
    }
  }
}
