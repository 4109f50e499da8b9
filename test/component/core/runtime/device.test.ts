import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { EventFd } from "../../../../src/core/os/index.ts";
import { DeviceRunner, type DeviceRunnerOptions } from "../../../../src/core/runtime/index.ts";
import { createChainCursor, type SplitDeviceQueue } from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { makeSplitRings, type RingOptions, segmentsOf } from "../../support/rings.ts";
import { turns, until } from "../../../support/until.ts";

guardLeaks();

function makeDevice(t: TestContext, options: RingOptions = {}) {
  const rings = makeSplitRings(t, options);
  const { driver, device, memory } = rings;
  const segments = segmentsOf([memory.allocate(16).guestAddress, 16]);
  const chain = createChainCursor();
  const kick = EventFd.create();
  const call = EventFd.create();
  t.after(() => {
    kick.close();
    call.close();
  });
  const seen = { served: 0, processed: 0, broken: 0 };
  return {
    ...rings,
    kick,
    call,
    seen,
    /** Makes requests available; whether the device wants a kick. */
    submit(count = 1): boolean {
      for (let i = 0; i < count; i += 1) assert.ok(driver.add(segments, 0, i));
      return driver.publish();
    },
    collect: (): number => driver.poll(() => undefined, 1000),
    run(rest: Partial<DeviceRunnerOptions> = {}): DeviceRunner {
      const runner = new DeviceRunner({
        queue: device,
        kick,
        call,
        process: () => {
          seen.processed += 1;
          while (device.next(chain)) {
            seen.served += 1;
            device.complete(chain.id, 0);
          }
        },
        onBroken: () => (seen.broken += 1),
        ...rest,
      });
      t.after(() => runner.stop());
      return runner;
    },
  };
}

test("serves without a kick what was available before the start, but not from within the start", async (t) => {
  const on = makeDevice(t);
  on.submit(3);
  on.run();
  assert.equal(on.seen.processed, 0);
  await until(() => on.seen.served === 3);
  assert.ok(on.call.drain());
  assert.equal(on.collect(), 3);
});

for (const eventIdx of [false, true]) {
  test(`a thousand requests complete by kicks and calls (${eventIdx ? "event index" : "flags"})`, async (t) => {
    const on = makeDevice(t, { eventIdx });
    on.run();
    on.driver.enableNotifications();
    for (let i = 0; i < 1000; i += 1) {
      // Kicks only when the device enabled notifications.
      if (on.submit(1 + (i % 3))) on.kick.signal();
      const want = 1 + (i % 3);
      let got = 0;
      await until(() => on.call.drain(), `call ${i}`);
      got += on.collect();
      while (!on.driver.enableNotifications()) got += on.collect();
      if (got < want) {
        await until(() => on.call.drain(), `second call ${i}`);
        got += on.collect();
        on.driver.enableNotifications();
      }
      assert.equal(got, want);
    }
  });
}

test("a kick is taken, and the runner sleeps until the next one", async (t) => {
  const on = makeDevice(t);
  on.run();
  on.submit();
  on.kick.signal();
  await until(() => on.seen.served === 1);
  await turns(3);
  assert.equal(on.kick.drain(), false);
  const { processed } = on.seen;
  await turns(5);
  assert.equal(on.seen.processed, processed);
});

test("kicks on an empty ring do nothing (event/9)", async (t) => {
  const on = makeDevice(t);
  on.run();
  for (let i = 0; i < 1000; i += 1) on.kick.signal();
  await turns(10);
  assert.equal(on.seen.served, 0);
  assert.equal(on.call.drain(), false);
  on.submit();
  on.kick.signal();
  await until(() => on.seen.served === 1);
});

test("without a kick descriptor the ring is polled, and no kick is asked for", async (t) => {
  const on = makeDevice(t);
  on.run({ kick: undefined });
  await turns(3);
  for (let i = 1; i <= 20; i += 1) {
    assert.equal(on.submit(), false);
    await until(() => on.seen.served === i);
    on.collect();
  }
});

test("a ring that is polled by choice is never asked for kicks, whatever its descriptor", async (t) => {
  const on = makeDevice(t);
  on.run({ mode: "poll" });
  await turns(3);
  for (let i = 1; i <= 20; i += 1) {
    assert.equal(on.submit(), false);
    await until(() => on.seen.served === i);
    on.collect();
  }
});

for (const eventIdx of [false, true]) {
  test(`a hybrid ring that is looked at wants no kick (${eventIdx ? "event index" : "flags"})`, async (t) => {
    const on = makeDevice(t, { eventIdx });
    on.run({ mode: "hybrid", spinMs: 60_000 });
    await turns(3);
    for (let i = 1; i <= 100; i += 1) {
      assert.equal(on.submit(), false);
      await until(() => on.seen.served === i);
      on.collect();
      await turns(2);
    }
  });

  test(`a hybrid ring that was looked at for long enough sleeps until the kick (${eventIdx ? "event index" : "flags"})`, async (t) => {
    const on = makeDevice(t, { eventIdx });
    const looks = () => process.getActiveResourcesInfo().includes("Immediate");
    on.run({ mode: "hybrid" });
    for (let i = 1; i <= 100; i += 1) {
      await until(() => !looks(), "it to sleep");
      assert.equal(on.submit(), true);
      on.kick.signal();
      await until(() => on.seen.served === i);
      on.collect();
    }
  });
}

test("without a call descriptor completions are shown all the same", async (t) => {
  const on = makeDevice(t);
  on.submit();
  on.run({ call: undefined });
  await until(() => on.collect() === 1);
});

test("the call descriptor may change while it runs", async (t) => {
  const on = makeDevice(t);
  using other = EventFd.create();
  const runner = on.run();
  await turns(2);
  runner.call = other;
  on.submit();
  on.kick.signal();
  await until(() => other.drain());
  assert.equal(on.call.drain(), false);
});

test("a driver that never stops submitting does not starve other rings", async (t) => {
  const on = makeDevice(t);
  const { device } = on;
  const chain = createChainCursor();
  let served = 0;
  let turn = 0;
  on.submit();
  const runner = on.run({
    process: () => {
      while (device.next(chain)) {
        device.complete(chain.id, 0);
        device.publish();
        on.collect();
        served += 1;
        if (served % 4 === 0) break;
        on.submit();
      }
      if (turn < 20) on.submit();
    },
  });
  while (turn < 20) {
    await turns(1);
    const before = served;
    await turns(1);
    assert.ok(served - before <= 4 * 8 * 2, `${served - before} in one turn`);
    turn += 1;
  }
  assert.ok(served > 20);
  runner.stop();
});

test("nothing is touched after a stop, also from within process", async (t) => {
  const on = makeDevice(t);
  const runner = on.run();
  runner.stop();
  on.submit();
  on.kick.signal();
  runner.wake();
  runner.publish();
  await turns(5);
  assert.equal(on.seen.processed, 0);
  on.kick.drain();

  let processed = 0;
  const chain = createChainCursor();
  const inside: DeviceRunner = on.run({
    process: () => {
      processed += 1;
      if (on.device.next(chain)) on.device.complete(chain.id, 0);
      inside.stop();
    },
  });
  await until(() => processed === 1);
  await turns(5);
  assert.equal(processed, 1);
  assert.equal(on.collect(), 0, "the completion was not shown any more");
});

test("waking looks at the ring as a kick does", async (t) => {
  const on = makeDevice(t);
  const runner = on.run();
  await turns(3);
  const { processed } = on.seen;
  on.submit();
  await turns(3);
  assert.equal(on.seen.processed, processed, "asleep");
  runner.wake();
  await until(() => on.seen.served === 1);
});

test("completions from outside of process are shown by publish", async (t) => {
  const on = makeDevice(t);
  const ids: number[] = [];
  const chain = createChainCursor();
  on.submit(2);
  const runner = on.run({
    process: () => {
      while (on.device.next(chain)) ids.push(chain.id);
    },
  });
  await until(() => ids.length === 2);
  await turns(2);
  assert.equal(on.call.drain(), false);
  on.device.complete(ids[1] ?? -1, 0);
  runner.publish();
  assert.equal(on.call.drain(), true);
  assert.equal(on.collect(), 1);
});

const ways: readonly [name: string, breakIt: (device: SplitDeviceQueue) => void][] = [
  ["the driver breaks a rule", ({ raw }) => Atomics.store(raw.available, 1, 1000)],
  ["the device finds a fault", (device) => device.fail("a reason", "1")],
];
for (const [name, breakIt] of ways) {
  test(`it is reported once, and nothing is served any more, when ${name}`, async (t) => {
    const on = makeDevice(t);
    const runner = on.run();
    await turns(2);
    breakIt(on.device);
    on.kick.signal();
    await until(() => on.seen.broken === 1);
    const { processed } = on.seen;
    on.kick.signal();
    runner.wake();
    runner.publish();
    await turns(5);
    assert.deepEqual([on.seen.broken, on.seen.processed], [1, processed]);
  });
}

test("a polled ring that breaks is not polled any more", async (t) => {
  const on = makeDevice(t);
  on.run({ kick: undefined });
  Atomics.store(on.device.raw.available, 1, 1000);
  await until(() => on.seen.broken === 1);
  const { processed } = on.seen;
  await turns(5);
  assert.equal(on.seen.processed, processed);
});

test("a fault found outside of process is reported by publish", async (t) => {
  const on = makeDevice(t);
  const runner = on.run();
  await turns(2);
  on.device.fail("a reason", "1");
  runner.publish();
  assert.equal(on.seen.broken, 1);
  runner.publish();
  assert.equal(on.seen.broken, 1);
});
