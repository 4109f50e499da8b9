/** A back-end that serves one session at a time is judged on its rings, not on its patience. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { UnixSocket } from "../../../../src/core/os/index.ts";
import { BackendSession } from "../../../../src/endpoints/backend/index.ts";
import { BlockDevice } from "../../../../src/endpoints/devices/block/index.ts";
import { blockKind } from "../../../../src/endpoints/devices/block/kind.ts";
import {
  checks,
  knownDevice,
  runCheck,
  survey,
  type Target,
  timesOf,
} from "../../../../src/lab/conformance/index.ts";
import { guardLeaksOfFile } from "../../../support/leak-guard.ts";
import { describeResult, PARALLEL } from "./support/judge.ts";
import { memoryDisk } from "./support/test-disk.ts";

guardLeaksOfFile();

/** Our disk, which takes the next connection once the session before it has ended. */
class OneSession implements Target {
  readonly name = "one session at a time";
  readonly process = undefined;
  readonly #disk = memoryDisk(1 << 20, false);
  #open: BackendSession | undefined;
  #idle = Promise.resolve();

  async connect(): Promise<UnixSocket> {
    const [ours, theirs] = UnixSocket.pair();
    const before = this.#idle;
    this.#idle = this.#serve(theirs, before);
    return Promise.resolve(ours);
  }

  takeReport(): ReturnType<Target["takeReport"]> {
    return { ends: [], output: "" };
  }

  async close(): Promise<void> {
    this.#open?.close();
    await this.#idle;
    this.#disk.close();
  }

  async #serve(socket: UnixSocket, before: Promise<void>): Promise<void> {
    await before;
    const device = new BlockDevice({ storage: this.#disk.storage, queues: 2 });
    this.#open = new BackendSession(socket, { device });
    await this.#open.closed;
  }
}

describe("checks of an effect open one session at a time", { concurrency: PARALLEL }, () => {
  for (const check of checks.filter(({ observes }) => observes?.includes("effect"))) {
    test(`${check.id} ${check.title}`, async () => {
      const target = new OneSession();
      const times = timesOf(5);
      try {
        const facts = await survey(target, times, () => knownDevice(blockKind));
        const result = await runCheck(check, { target, facts, times, seed: 1 });
        assert.ok(["PASS", "SKIP"].includes(result.verdict), describeResult(result));
      } finally {
        await target.close();
      }
    });
  }
});
