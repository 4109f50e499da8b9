import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import {
  GuestMemory,
  InflightRegion,
  type RegionTable,
} from "../../../../src/core/memory/index.ts";
import {
  createChainCursor,
  createDeviceQueue,
  createDriverQueue,
  type DeviceQueue,
  type DriverQueue,
  type RingFeatures,
  ringFormat,
  SegmentList,
} from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { Crash } from "../../support/crash.ts";
import { locateRing, tableOf } from "../../support/rings.ts";

guardLeaks();

const SIZE = 8;
const ROUNDS = 1000;
/** Bytes between the buffers of two requests: the address of a buffer identifies its request. */
const PITCH = 64;

/** Numbers that look random and come again with the same seed. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** A ring, its in-flight region, and a device half that is killed every now and then. */
class Bench {
  readonly memory = new GuestMemory({ size: 1 << 20 });
  readonly table: RegionTable = tableOf(this.memory);
  readonly region: InflightRegion;
  readonly driver: DriverQueue;
  readonly crash: Crash;
  readonly packed: boolean;
  readonly features: RingFeatures;
  device: DeviceQueue | undefined;
  kills = 0;
  /** Chains that this device half has in flight, and all that it has taken, by request number. */
  readonly working: { id: number; token: number }[] = [];
  readonly outstanding = new Set<number>();
  readonly random: (below: number) => number;
  readonly #buffers: number;
  readonly #chain = createChainCursor();
  readonly #segments = new SegmentList(3);
  #sent = 0;
  completed = 0;

  constructor(t: TestContext, features: RingFeatures, seed: number, crash: Crash) {
    this.packed = features.packed === true;
    this.features = features;
    this.crash = crash;
    this.random = randomOf(seed);
    const { packed } = this;
    this.driver = createDriverQueue({ size: SIZE, memory: this.memory, features });
    this.#buffers = this.memory.allocate(PITCH * 1024).guestAddress;
    const { description, fd } = InflightRegion.create(1, SIZE, packed);
    this.region = new InflightRegion(description, fd, packed);
    t.after(() => {
      this.table.close();
      this.memory.close();
      this.region.close();
    });
  }

  /** The device half does something, and may be killed at it. */
  do(work: (device: DeviceQueue) => void): void {
    const stores = this.random(3) === 0 ? this.random(8) : 1000;
    const done = this.crash.run(stores, () => work((this.device ??= this.#start())));
    if (done !== undefined) return;
    this.kills += 1;
    this.device = undefined;
    this.working.length = 0;
  }

  #start(): DeviceQueue {
    return createDeviceQueue({
      size: SIZE,
      memory: locateRing(this.table, this.driver),
      space: this.table,
      features: this.features,
      // Of what a front-end can know nothing is needed: QEMU repeats this for a packed ring.
      base: ringFormat(this.packed).freshBase,
      inflight: this.region.area(0, this.packed),
    });
  }

  add(): void {
    const segments = this.#segments;
    segments.clear();
    const token = this.#sent % 1024;
    const count = 1 + this.random(3);
    for (let i = 0; i < count; i += 1) segments.push(this.#buffers + token * PITCH + i * 8, 8);
    if (!this.driver.add(segments, count, token)) return;
    this.#sent += 1;
    this.outstanding.add(token);
  }

  take(): void {
    this.do((device) => {
      if (!device.next(this.#chain)) return;
      const { id, spans } = this.#chain;
      const offset = spans.offsets[0] ?? 0;
      const token = this.#tokenAt(offset);
      assert.ok(this.outstanding.has(token), `took ${token}, which is not outstanding`);
      assert.ok(!this.working.some((each) => each.token === token), `took ${token} twice`);
      this.working.push({ id, token });
    });
    assert.equal(this.device?.broken, undefined);
  }

  complete(): void {
    if (this.working.length === 0) return;
    const [done] = this.working.splice(this.random(this.working.length), 1);
    this.do((device) => device.complete(done?.id ?? 0, 0));
  }

  publish(): void {
    this.do((device) => void device.publish());
  }

  poll(): void {
    this.driver.poll((token) => {
      assert.ok(this.outstanding.delete(token), `${token} completed twice`);
      this.completed += 1;
    }, 100);
    assert.equal(this.driver.broken, undefined);
  }

  /** No more kills, and everything is served. */
  finish(): void {
    this.driver.publish();
    const device = (this.device ??= this.#start());
    device.publish();
    this.poll();
    while (device.next(this.#chain)) {
      const token = this.#tokenAt(this.#chain.spans.offsets[0] ?? 0);
      this.working.push({ id: this.#chain.id, token });
    }
    assert.equal(device.broken, undefined);
    while (this.working.length > 0) {
      const [done] = this.working.splice(this.random(this.working.length), 1);
      device.complete(done?.id ?? 0, 0);
      device.publish();
      this.poll();
    }
    assert.deepEqual([...this.outstanding], [], "lost");
  }

  #tokenAt(offset: number): number {
    const buffers = this.table.regions[0];
    return Math.floor((offset + (buffers?.origin ?? 0) - this.#buffers) / PITCH);
  }
}

const rings = [false, true].flatMap((packed) =>
  [
    { indirect: false, inOrder: false },
    { indirect: true, inOrder: false },
    { indirect: false, inOrder: true },
  ].map((features) => ({ ...features, packed, eventIdx: true })),
);

for (const features of rings) {
  const { packed, indirect, inOrder } = features;
  const name = [
    packed ? "packed" : "split",
    indirect ? "indirect" : "direct",
    inOrder ? "in order" : "in any order",
  ].join(", ");
  test(`however often the device half is killed, each request completes once: ${name}`, (t) => {
    const crash = new Crash(t);
    let kills = 0;
    let completed = 0;
    for (let seed = 1; seed <= 40; seed += 1) {
      const bench = new Bench(t, features, seed, crash);
      for (let round = 0; round < ROUNDS; round += 1) {
        const what = bench.random(8);
        if (what < 2) bench.add();
        else if (what === 2) bench.driver.publish();
        else if (what < 5) bench.take();
        else if (what === 5) bench.complete();
        else if (what === 6) bench.publish();
        else bench.poll();
      }
      bench.finish();
      kills += bench.kills;
      completed += bench.completed;
    }
    t.diagnostic(`${kills} kills, ${completed} requests`);
    assert.ok(kills > 400 && completed > 1000);
  });
}
