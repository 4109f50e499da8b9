import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { EventFd } from "../../../../src/core/os/index.ts";
import { type RingMode, DriverRunner } from "../../../../src/core/runtime/index.ts";
import { createChainCursor } from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { makeSplitRings, type RingOptions, segmentsOf } from "../../support/rings.ts";
import { turns, until } from "../../../support/until.ts";

guardLeaks();

function makeDriver(
  t: TestContext,
  ringMode: RingMode,
  options: RingOptions = {},
  spinMs?: number,
) {
  const rings = makeSplitRings(t, options);
  const { driver, device, memory } = rings;
  const segments = segmentsOf([memory.allocate(16).guestAddress, 16]);
  const chain = createChainCursor();
  const call = EventFd.create();
  t.after(() => call.close());
  const seen = {
    tokens: [] as number[],
    batches: 0,
    broken: 0,
    batchDone: () => undefined as void,
    done: () => undefined as void,
  };
  const runner = new DriverRunner({
    queue: driver,
    ringMode,
    spinMs,
    call,
    done: (token) => {
      seen.tokens.push(token);
      seen.done();
    },
    batchDone: () => {
      seen.batches += 1;
      seen.batchDone();
    },
    onBroken: () => (seen.broken += 1),
  });
  t.after(() => runner.stop());
  let token = 0;
  return {
    ...rings,
    call,
    seen,
    runner,
    submit(count = 1): void {
      for (let i = 0; i < count; i += 1) assert.ok(driver.add(segments, 0, token++));
      driver.publish();
      runner.published();
    },
    /** Completes what is available; whether a call is wanted (and given). */
    serve(): boolean {
      while (device.next(chain)) device.complete(chain.id, 0);
      const wanted = device.publish();
      if (wanted) call.signal();
      return wanted;
    },
  };
}

for (const eventIdx of [false, true]) {
  test(`a call brings the completions, then the end of the batch (${eventIdx ? "event index" : "flags"})`, async (t) => {
    const on = makeDriver(t, "event", { eventIdx });
    let expected = 0;
    for (let i = 0; i < 500; i += 1) {
      on.submit(1 + (i % 4));
      expected += 1 + (i % 4);
      assert.equal(on.serve(), true, `call ${i}`);
      assert.ok(on.seen.tokens.length < expected, "never from within");
      await until(() => on.seen.tokens.length === expected, `completion ${i}`);
    }
    assert.deepEqual(
      on.seen.tokens,
      Array.from({ length: expected }, (_, i) => i),
    );
    assert.ok(on.seen.batches >= 500);
  });

  test(`polling collects without any call, and asks for none (${eventIdx ? "event index" : "flags"})`, async (t) => {
    const on = makeDriver(t, "poll", { eventIdx });
    on.submit();
    on.serve();
    await until(() => on.seen.tokens.length === 1);
    for (let i = 2; i <= 100; i += 1) {
      on.submit();
      assert.equal(on.serve(), false);
      await until(() => on.seen.tokens.length === i);
    }
  });
}

test("polling rests while nothing is out, and goes on while something is", async (t) => {
  const on = makeDriver(t, "poll");
  const immediates = () =>
    process.getActiveResourcesInfo().filter((kind) => kind === "Immediate").length;
  const idle = immediates();
  on.runner.published();
  await turns(3);
  assert.equal(immediates(), idle, "nothing is out");
  on.submit();
  await turns(3);
  assert.equal(immediates(), idle + 1, "something is out");
  on.serve();
  await until(() => on.seen.tokens.length === 1);
  await turns(1);
  assert.equal(immediates(), idle);
});

for (const eventIdx of [false, true]) {
  test(`a hybrid driver that looks wants no call (${eventIdx ? "event index" : "flags"})`, async (t) => {
    const on = makeDriver(t, "hybrid", { eventIdx }, 60_000);
    on.submit();
    on.serve();
    await until(() => on.seen.tokens.length === 1);
    for (let i = 2; i <= 100; i += 1) {
      on.submit();
      await turns(2);
      assert.equal(on.serve(), false);
      await until(() => on.seen.tokens.length === i);
    }
  });

  test(`a hybrid driver that has looked for long enough sleeps until the call (${eventIdx ? "event index" : "flags"})`, async (t) => {
    const on = makeDriver(t, "hybrid", { eventIdx });
    const looks = () => process.getActiveResourcesInfo().includes("Immediate");
    for (let i = 1; i <= 100; i += 1) {
      on.submit();
      await until(() => !looks(), "it to sleep");
      assert.equal(on.serve(), true);
      await until(() => on.seen.tokens.length === i);
    }
  });
}

test("completions that arrive while callbacks run are collected before it sleeps", async (t) => {
  const on = makeDriver(t, "event", { eventIdx: true });
  let more = 50;
  on.seen.batchDone = () => {
    if (more === 0) return;
    more -= 1;
    on.submit();
    // As a device that finishes at once; the call it would give is lost.
    const chain = createChainCursor();
    while (on.device.next(chain)) on.device.complete(chain.id, 0);
    on.device.publish();
  };
  on.submit();
  on.serve();
  await until(() => on.seen.tokens.length === 51);
  assert.equal(on.driver.enableNotifications(), true);
});

for (const ringMode of ["poll", "event", "hybrid"] as const) {
  test(`a device that completes at once does not starve the event loop (${ringMode})`, async (t) => {
    const on = makeDriver(t, ringMode);
    let timer = false;
    let immediate = false;
    // Ends by itself, so that a runner without a bound fails the test instead of hanging it.
    let left = 3_000_000;
    on.seen.batchDone = () => {
      if ((timer && immediate) || (left -= 1) === 0) return;
      on.submit();
      on.serve();
    };
    const timeout = setTimeout(() => (timer = true), 1);
    t.after(() => clearTimeout(timeout));
    on.submit();
    on.serve();
    await turns(1);
    immediate = true;
    await until(() => timer);
    assert.ok(left > 0, "both came while it was busy");
    await until(() => on.driver.outstanding === 0);
  });
}

test("nothing is handed over after a stop, also from within a completion's batch", async (t) => {
  for (const ringMode of ["poll", "event"] as const) {
    const on = makeDriver(t, ringMode);
    on.seen.batchDone = () => on.runner.stop();
    on.submit(2);
    on.serve();
    await until(() => on.seen.tokens.length === 2);
    on.submit();
    on.serve();
    await turns(5);
    assert.equal(on.seen.tokens.length, 2);
  }
});

for (const ringMode of ["poll", "event"] as const) {
  test(`a ring that the device breaks is reported once (${ringMode})`, async (t) => {
    const on = makeDriver(t, ringMode);
    on.submit(2);
    Atomics.store(on.driver.raw.used16, 1, 7);
    on.call.signal();
    await until(() => on.seen.broken === 1);
    on.call.signal();
    on.runner.published();
    await turns(5);
    assert.deepEqual([on.seen.broken, on.seen.tokens.length], [1, 0]);
  });
}
