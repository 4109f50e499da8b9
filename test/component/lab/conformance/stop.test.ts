import { blockKit } from "../../../../src/lab/kits/block/kit.ts";
import { blockKind } from "../../../../src/endpoints/devices/block/kind.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConnectError, Deferred } from "../../../../src/core/base/index.ts";
import type { UnixSocket } from "../../../../src/core/os/index.ts";
import {
  type Check,
  type CaseResult,
  type EarlyStop,
  frontendChecks,
  type FrontendRun,
  type FrontendTarget,
  runChecks,
  runFrontendChecks,
  knownDevice,
  survey,
  timesOf,
} from "../../../../src/lab/conformance/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { InProcessTarget } from "./support/in-process-target.ts";

guardLeaks();

/** Waits are short: these targets never answer. */
const times = timesOf(0.02);

/** What a run reports, as a command sees it. */
class Reported {
  readonly results: CaseResult[] = [];
  readonly stops: EarlyStop[] = [];
  readonly callbacks = {
    onResult: (result: CaseResult): void => void this.results.push(result),
    onStop: (stop: EarlyStop): void => void this.stops.push(stop),
  };
}

/** A back-end that goes away, and accepts again after a number of attempts. */
class LeavingTarget extends InProcessTarget {
  isAway = false;
  refusals = 0;
  returnsAfter = Infinity;

  override async connect(): Promise<UnixSocket> {
    if (this.isAway && ++this.refusals > this.returnsAfter) this.isAway = false;
    if (this.isAway) throw new ConnectError("nothing listens there");
    return super.connect();
  }
}

function checkOf(number: number, run: Check["run"]): Check {
  const id = `mine/${number}`;
  return { id, title: "a check", strength: "MUST", section: "Communication", observes: [], run };
}

for (const { returnsAfter, stopped } of [
  { returnsAfter: 2, stopped: false },
  { returnsAfter: 3, stopped: true },
]) {
  test(`a back-end that refuses ${returnsAfter} connections after a failure ${stopped ? "stops" : "does not stop"} the run`, async (t) => {
    const target = new LeavingTarget("block");
    t.after(async () => target.close());
    const facts = await survey(target, timesOf(), () => knownDevice(blockKind));
    target.returnsAfter = returnsAfter;
    const leaves = checkOf(1, async (context) => {
      target.isAway = true;
      context.fail("it leaves", "a back-end that stays", "none");
    });
    const passes = [2, 3].map((number) => checkOf(number, async () => undefined));
    const reported = new Reported();
    const options = { target, facts, times, seed: 1, ...reported.callbacks };
    const results = await runChecks([leaves, ...passes], options);
    const verdicts = results.map(({ verdict }) => verdict);
    if (!stopped) {
      assert.deepEqual(verdicts, ["FAIL", "PASS", "PASS"]);
      assert.deepEqual(reported.stops, []);
      return;
    }
    assert.deepEqual(verdicts, ["FAIL", "SKIP", "SKIP"]);
    assert.equal(reported.results.length, 1, "what is left is not reported one by one");
    const [stop] = reported.stops;
    assert.equal(reported.stops.length, 1);
    assert.match(stop?.reason ?? "", /not be reached in 3 attempts: nothing listens there/);
    assert.equal(stop?.left.length, 2);
  });
}

test("a front-end that never connects is started three times, and reported once", async () => {
  let starts = 0;
  const absent: FrontendTarget = {
    name: "absent",
    hasMonitor: false,
    start: async (): Promise<FrontendRun> => {
      starts += 1;
      return {
        end: undefined,
        ended: new Deferred<never>().promise,
        output: "",
        monitor: async () => assert.fail("it has none"),
        stop: async () => undefined,
      };
    },
  };
  const reported = new Reported();
  const chosen = frontendChecks.slice(0, 5);
  const results = await runFrontendChecks(chosen, {
    target: absent,
    kit: blockKit,
    times,
    ...reported.callbacks,
  });
  assert.equal(starts, 3);
  assert.deepEqual(
    results.map(({ verdict }) => verdict),
    ["FAIL", "SKIP", "SKIP", "SKIP", "SKIP"],
  );
  assert.equal(reported.results.length, 1);
  assert.match(reported.results[0]?.reason ?? "", /^the front-end does not connect: /);
  assert.equal(reported.stops.length, 1);
  assert.match(reported.stops[0]?.reason ?? "", /sent nothing in 3 attempts/);
});
