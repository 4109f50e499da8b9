import { blockKit } from "../../../../src/lab/kits/block/kit.ts";
import { blockKind } from "../../../../src/endpoints/devices/block/kind.ts";
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { Deferred } from "../../../../src/core/base/index.ts";
import {
  type Check,
  type FrontendCheck,
  type FrontendRun,
  type FrontendTarget,
  runCheck,
  runFrontendCheck,
  knownDevice,
  survey,
  timesOf,
} from "../../../../src/lab/conformance/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { InProcessTarget } from "./support/in-process-target.ts";

guardLeaks();

/** More boots than the check below is allowed. */
const MANY = 10;

/** Front-ends that do nothing; the third takes until `gate` to start. */
class SlowTarget implements FrontendTarget {
  readonly name = "slow";
  readonly hasMonitor = false;
  readonly folders: string[] = [];
  readonly starting = new Deferred<void>();
  readonly gate = new Deferred<void>();
  running = 0;

  async start(socketPath: string): Promise<FrontendRun> {
    this.folders.push(dirname(socketPath));
    if (this.folders.length === 3) {
      this.starting.resolve();
      await this.gate.promise;
    }
    this.running += 1;
    let isStopped = false;
    return {
      end: undefined,
      ended: new Deferred<never>().promise,
      output: "",
      monitor: async () => assert.fail("it has none"),
      stop: async () => {
        if (!isStopped) this.running -= 1;
        isStopped = true;
      },
    };
  }
}

test("a check that is given up ends the front-end that is about to start, and starts no more", async () => {
  const target = new SlowTarget();
  let work: Promise<void> | undefined;
  const check: FrontendCheck = {
    id: "mine/1",
    title: "boots one after another",
    strength: "ROBUSTNESS",
    section: "Communication",
    observes: [],
    run: async (t) => {
      work = (async () => {
        for (let i = 0; i < MANY; i++) await t.boot();
      })();
      return work;
    },
  };
  const abort = new AbortController();
  const over = runFrontendCheck(check, {
    target,
    kit: blockKit,
    times: timesOf(),
    signal: abort.signal,
  });
  await target.starting.promise;
  abort.abort();
  // What closes the check has begun by then.
  await setImmediate();
  target.gate.resolve();
  await over;
  assert.equal(target.running, 0, "all are stopped");
  await assert.rejects(work ?? assert.fail("it did not run"), /the check is over/);
  assert.equal(target.folders.length, 3, "and no other was started");
  assert.deepEqual(
    target.folders.filter((folder) => existsSync(folder)),
    [],
  );
});

test("a check of a back-end that is given up connects no more", async (t) => {
  const target = new InProcessTarget("block");
  t.after(async () => target.close());
  const facts = await survey(target, timesOf(), () => knownDevice(blockKind));
  const abort = new AbortController();
  let count = 0;
  let work: Promise<void> | undefined;
  const check: Check = {
    id: "mine/1",
    title: "connects again and again",
    strength: "ROBUSTNESS",
    section: "Communication",
    observes: [],
    run: async (context) => {
      work = (async () => {
        for (; count < MANY; count++) {
          if (count === 3) abort.abort();
          await setImmediate();
          await context.newSession();
        }
      })();
      return work;
    },
  };
  await runCheck(check, { target, facts, times: timesOf(), seed: 1, signal: abort.signal });
  await assert.rejects(work ?? assert.fail("it did not run"), /the check is over/);
  assert.equal(count, 3);
});
