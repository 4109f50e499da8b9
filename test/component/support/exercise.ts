import { VhostUserError } from "../../../src/core/base/index.ts";
import {
  BLOCK_DRIVER_FEATURES,
  BlockDriver,
  type BlockDriverOptions,
} from "../../../src/endpoints/devices/block/index.ts";
import {
  Client,
  type ClientOptions,
  type ClientQueue,
} from "../../../src/endpoints/frontend/index.ts";
import { pattern, SMALL } from "./session.ts";

/** What a client made of a back-end. */
export interface Experience {
  /** What ended it: a classified error, `wrong data`, or `well`. */
  outcome: string;
  /** How far it came. */
  stage: "connect" | "queues" | "start" | "io" | "stop" | "end";
  error: Error | undefined;
  queueNum: bigint | undefined;
  /** Completions that said to have written more than there was room for. */
  overlong: number;
  configChanges: number;
  /** What the back-end broke on its own channel. */
  problems: Error[];
}

export interface ExerciseOptions {
  readonly timeoutMs: number;
  readonly strictness?: ClientOptions["strictness"];
  readonly ringMode?: BlockDriverOptions["ringMode"];
}

/**
 * Does with a back-end all that a client does: negotiates, asks, starts a ring, writes, reads back,
 * flushes, stops, closes. Errors are part of the answer.
 */
export async function exercise(path: string, options: ExerciseOptions): Promise<Experience> {
  const seen: Experience = {
    outcome: "well",
    stage: "connect",
    error: undefined,
    queueNum: undefined,
    overlong: 0,
    configChanges: 0,
    problems: [],
  };
  let client: Client | undefined;
  let queue: ClientQueue | undefined;
  try {
    const { timeoutMs, strictness = "lenient", ringMode = "event" } = options;
    client = await Client.connect(path, {
      deviceFeatures: BLOCK_DRIVER_FEATURES,
      memory: { size: 1 << 20 },
      timeoutMs,
      strictness,
      onConfigChange: () => (seen.configChanges += 1),
      onProblem: (problem) => seen.problems.push(problem),
    });
    seen.stage = "queues";
    seen.queueNum = await client.requests.getQueueNum();
    seen.stage = "start";
    const create = client.createQueue.bind(client);
    client.createQueue = (made) => (queue = create(made));
    const driver = await BlockDriver.start(client, { ...SMALL, ringMode });
    seen.stage = "io";
    for (let round = 0; round < 3; round += 1) {
      const data = pattern(Math.floor(Math.random() * 1e6));
      await driver.write(4096 * round, data, { timeoutMs });
      const back = await driver.read(4096 * round, 4096, { timeoutMs });
      if (Buffer.compare(data, back) !== 0) seen.outcome = "wrong data";
      await driver.flush({ timeoutMs });
    }
    seen.stage = "stop";
    if (queue !== undefined) await client.stopQueue(queue);
    seen.stage = "end";
  } catch (error) {
    seen.error = error instanceof Error ? error : new Error(String(error));
    // What is not one of ours was not foreseen.
    seen.outcome = VhostUserError.isVhostUserError(error) ? error.name : `crash: ${String(error)}`;
  } finally {
    seen.overlong = queue?.ring.overlongCompletions ?? 0;
    await client?.close();
  }
  return seen;
}
