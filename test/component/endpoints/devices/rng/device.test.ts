import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { RunningQueue } from "../../../../../src/core/runtime/index.ts";
import { UsageError } from "../../../../../src/core/base/index.ts";
import { EntropyBudget, RngDevice } from "../../../../../src/endpoints/devices/rng/index.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";
import {
  FORMATS,
  makeRings,
  type RingOptions,
  type Rings,
  segmentsOf,
} from "../../../support/rings.ts";

guardLeaks();

/** The time of a budget, in the hands of the test. */
class Clock {
  ms = 0;
  readonly now = (): number => this.ms;
}

/** An entropy device on the device half of a ring. */
class Served {
  readonly rings: Rings;
  readonly device: RngDevice;
  readonly running: RunningQueue;
  /** Resolves when the device asks for another look at the ring. */
  readonly woken: Promise<void>;

  constructor(t: TestContext, options: RingOptions, budget?: EntropyBudget) {
    this.rings = makeRings(t, options);
    this.device = new RngDevice({ budget });
    t.after(() => this.device.capabilities.lifecycle?.close?.());
    let wake = (): void => undefined;
    this.woken = new Promise((resolve) => (wake = resolve));
    const queue = this.rings.device;
    this.running = {
      index: 0,
      queue,
      publish: () => undefined,
      active: true,
      closed: false,
      wake: () => wake(),
    };
  }

  /** Serves the ring once; returns token and length of what completed. */
  serve(): [token: number, written: number][] {
    this.device.process(this.running);
    this.rings.device.publish();
    const done: [number, number][] = [];
    this.rings.driver.poll((token, written) => done.push([token, written]), 64);
    return done;
  }

  /** Makes a request for random bytes available. */
  ask(token: number, ...lengths: readonly number[]): Uint8Array[] {
    const { memory, driver } = this.rings;
    const buffers = lengths.map((length) => memory.allocate(length));
    driver.add(
      segmentsOf(...buffers.map(({ address }, i) => [address, lengths[i] ?? 0] as const)),
      0,
      token,
    );
    driver.publish();
    return buffers.map(({ bytes }) => bytes);
  }
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

for (const { name, packed } of FORMATS) {
  test(`${name}: every buffer of a request is filled with bytes of its own`, (t) => {
    const served = new Served(t, { packed });
    const buffers = served.ask(1, 32, 64, 32);
    assert.deepEqual(served.serve(), [[1, 128]]);
    for (const bytes of buffers) assert.ok(!isZero(bytes));
    assert.notDeepEqual(buffers[0], buffers[2]);
  });

  test(`${name}: a large request is filled in part, and no request gets more than its room`, (t) => {
    const served = new Served(t, { packed, bytes: 1 << 20 });
    const [large = new Uint8Array()] = served.ask(1, 100_000);
    const [small = new Uint8Array()] = served.ask(2, 1);
    assert.deepEqual(served.serve(), [
      [1, 65_536],
      [2, 1],
    ]);
    assert.ok(isZero(large.subarray(65_536)));
    assert.equal(small.length, 1);
  });

  test(`${name}: requests without room or outside of shared memory complete without bytes`, (t) => {
    const served = new Served(t, { packed });
    const { driver, memory } = served.rings;
    const { address } = memory.allocate(16);
    driver.add(segmentsOf([address, 16]), 1, 1);
    driver.add(segmentsOf([2 ** 40, 16]), 0, 2);
    driver.publish();
    assert.deepEqual(served.serve(), [
      [1, 0],
      [2, 0],
    ]);
    served.ask(3, 16);
    assert.deepEqual(served.serve(), [[3, 16]]);
  });

  test(`${name}: requests beyond the budget wait in the ring for the next period`, async (t) => {
    const clock = new Clock();
    const budget = new EntropyBudget({ maxBytes: 40, periodMs: 1, now: clock.now });
    const served = new Served(t, { packed }, budget);
    const { scheduling } = served.device.capabilities;
    for (const token of [1, 2, 3]) served.ask(token, 32);
    assert.deepEqual(served.serve(), [
      [1, 32],
      [2, 8],
    ]);
    assert.equal(scheduling?.wantsChains?.(0), false);
    assert.deepEqual(served.serve(), [], "the period is not over");
    clock.ms = 1;
    await served.woken;
    assert.equal(scheduling?.wantsChains?.(0), true);
    assert.deepEqual(served.serve(), [[3, 32]]);
  });
}

test("devices that share a budget get its bytes together", (t) => {
  const budget = new EntropyBudget({ maxBytes: 40, now: new Clock().now });
  const [first, second] = [new Served(t, {}, budget), new Served(t, {}, budget)];
  first.ask(1, 30);
  second.ask(1, 30);
  assert.deepEqual(first.serve(), [[1, 30]]);
  assert.deepEqual(second.serve(), [[1, 10]]);
});

test("a device that is reset or closed waits for no period", async (t) => {
  const clock = new Clock();
  const budget = new EntropyBudget({ maxBytes: 1, periodMs: 2 ** 31 - 1, now: clock.now });
  const served = new Served(t, {}, budget);
  served.ask(1, 1);
  served.ask(2, 1);
  assert.deepEqual(served.serve(), [[1, 1]]);
  const { lifecycle, scheduling } = served.device.capabilities;
  lifecycle?.reset?.();
  assert.equal(scheduling?.wantsChains?.(0), true);
});

test("a budget refuses bytes and periods that are not positive", () => {
  for (const maxBytes of [0, -1, 1.5, Number.NaN])
    assert.throws(() => new EntropyBudget({ maxBytes }), UsageError);
  for (const periodMs of [0, -1, 2 ** 31, Number.NaN])
    assert.throws(() => new EntropyBudget({ maxBytes: 1, periodMs }), UsageError);
});
