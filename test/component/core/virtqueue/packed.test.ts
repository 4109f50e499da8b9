import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { QueueError, UsageError } from "../../../../src/core/base/index.ts";
import {
  createChainCursor,
  EventFlag,
  PackedDeviceQueue,
  PackedDriverQueue,
  type PackedRingWords,
  SegmentList,
} from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import {
  locateRing,
  type MadeRings,
  makeRingsOfFormat,
  type RingOptions,
  segmentsOf,
} from "../../support/rings.ts";

guardLeaks();

interface Packed extends MadeRings {
  readonly raw: PackedRingWords;
  /** Publishes so many requests of one descriptor; whether the device wants a kick. */
  submit(count?: number): boolean;
  /** Serves up to so many; whether the driver wants a call. */
  serve(count?: number): boolean;
  collect(): number;
}

function makePacked(t: TestContext, options: RingOptions = {}): Packed {
  const rings = makeRingsOfFormat({ ...options, packed: true });
  const { memory, table, driver, device } = rings;
  t.after(() => {
    table.close();
    memory.close();
  });
  assert.ok(driver.raw.format === "packed");
  const segments = segmentsOf([memory.allocate(16).guestAddress, 16]);
  const chain = createChainCursor();
  return {
    ...rings,
    raw: driver.raw,
    submit(count = 1) {
      for (let i = 0; i < count; i += 1) assert.ok(driver.add(segments, 0, i));
      return driver.publish();
    },
    serve(count = 1) {
      for (let i = 0; i < count && device.next(chain); i += 1) device.complete(chain.id, 1);
      return device.publish();
    },
    collect: () => driver.poll(() => undefined, 2 ** 20),
  };
}

/** Leaves both halves where so many requests would have brought them. */
function advance(on: Packed, requests: number): void {
  for (let left = requests; left > 0;) {
    const count = Math.min(on.driver.size, left);
    on.submit(count);
    on.serve(count);
    assert.equal(on.collect(), count);
    left -= count;
  }
}

test("rings of any size from 1 to 32768 work, over several laps", (t) => {
  for (const size of [1, 2, 3, 7, 255, 1000, 32767, 32768]) {
    const on = makePacked(t, { size, bytes: 2 ** 20, indirectSegments: 2 });
    for (let round = 0; round < 3; round += 1) {
      on.submit(size);
      assert.equal(on.driver.add(segmentsOf([2 ** 32, 1]), 0, 0), false, "it is full");
      on.serve(size);
      assert.equal(on.collect(), size);
    }
    // Whole laps in steps that do not divide the size.
    for (let i = 0; i < 50; i += 1) advance(on, 1 + (i % Math.min(size, 7)));
    assert.equal(on.device.broken, undefined);
    assert.equal(on.driver.broken, undefined);
    assert.equal(on.device.state().base, on.driver.base);
  }
});

test("sizes and areas that make no packed ring are refused", (t) => {
  const { memory, table, driver } = makePacked(t);
  const features = { eventIdx: false, indirect: false, packed: true };
  for (const size of [0, -1, 1.5, 32769, 65536, Number.NaN]) {
    assert.throws(() => new PackedDriverQueue({ size, memory, features }), UsageError);
  }
  const ring = locateRing(table, driver);
  const make = (parts: typeof ring, size = 8) =>
    new PackedDeviceQueue({ size, memory: parts, space: table, features, base: 0x8000_8000 });
  for (const size of [0, 32769]) assert.throws(() => make(ring, size), QueueError);
  for (const parts of [
    { ...ring, descriptors: { ...ring.descriptors, length: 127 } },
    { ...ring, driver: { ...ring.driver, length: 3 } },
    { ...ring, device: { ...ring.device, length: 3 } },
    { ...ring, descriptors: { ...ring.descriptors, offset: ring.descriptors.offset + 8 } },
    { ...ring, driver: { ...ring.driver, offset: ring.driver.offset + 2 } },
    { ...ring, device: { ...ring.device, offset: ring.device.offset + 1 } },
  ]) {
    assert.throws(() => make(parts), QueueError);
  }
});

test("a chain goes across the end of the ring; each descriptor has its own lap's flags (VIRTIO 2.8.1)", (t) => {
  const on = makePacked(t, { size: 5 });
  const { guestAddress: at } = on.memory.allocate(64);
  const three = segmentsOf([at, 1], [at + 1, 2], [at + 8, 4]);
  advance(on, 4);
  assert.ok(on.driver.add(three, 2, 1));
  on.driver.publish();
  const flags = [4, 0, 1].map((i) => on.raw.descriptors16[i * 8 + 7]);
  // NEXT and available in the first lap, NEXT and available in the second, WRITE.
  assert.deepEqual(flags, [0x0081, 0x8001, 0x8002]);
  const chain = createChainCursor();
  assert.ok(on.device.next(chain));
  assert.deepEqual([chain.readableBytes, chain.writableBytes], [3, 4]);
  on.device.complete(chain.id, 4);
  on.device.publish();
  assert.equal(on.raw.descriptors16[4 * 8 + 7], 0x8082, "used in the lap of its first descriptor");
  assert.equal(on.collect(), 1);
  assert.equal(on.driver.base, 0x0002_0002);
});

test("the first descriptor of a batch is shown last, by either side", (t) => {
  const on = makePacked(t);
  const segments = segmentsOf([on.memory.allocate(8).guestAddress, 8]);
  const chain = createChainCursor();
  for (let i = 0; i < 3; i += 1) on.driver.add(segments, 1, i);
  const flagsAt = (i: number) => on.raw.descriptors16[i * 8 + 7] ?? -1;
  assert.deepEqual([0, 1, 2].map(flagsAt), [0, 0x80, 0x80]);
  assert.equal(on.device.hasNext(), false);
  on.driver.publish();
  assert.equal(flagsAt(0), 0x80);
  for (let i = 0; i < 3; i += 1) {
    assert.ok(on.device.next(chain));
    on.device.complete(chain.id, 0);
  }
  assert.deepEqual([0, 1, 2].map(flagsAt), [0x80, 0x8080, 0x8080]);
  assert.equal(on.collect(), 0);
  on.device.publish();
  assert.equal(on.collect(), 3);
});

test("the id of a chain stands in its last descriptor, and WRITE in a used one if something was written", (t) => {
  const on = makePacked(t, { size: 8 });
  const { guestAddress: at } = on.memory.allocate(64);
  on.driver.add(segmentsOf([at, 8]), 1, 0);
  on.driver.add(segmentsOf([at, 8], [at + 8, 8]), 1, 1);
  on.driver.publish();
  const id = on.raw.descriptors16[2 * 8 + 6];
  on.raw.descriptors16[1 * 8 + 6] = 0xffff;
  const chain = createChainCursor();
  for (const written of [0, 5]) {
    assert.ok(on.device.next(chain));
    on.device.complete(chain.id, written);
  }
  on.device.publish();
  assert.deepEqual([on.raw.descriptors16[7], on.raw.descriptors16[15]], [0x8080, 0x8082]);
  assert.equal(on.raw.descriptors16[1 * 8 + 6], id);
  const done: [number, number][] = [];
  on.driver.poll((token, written) => done.push([token, written]), 10);
  assert.deepEqual(done, [
    [0, 0],
    [1, 5],
  ]);
});

test("the flags DISABLE and ENABLE suppress and allow, with and without event index", (t) => {
  for (const eventIdx of [false, true]) {
    const on = makePacked(t, { eventIdx, size: 64 });
    on.raw.driverEvent[1] = EventFlag.Disable;
    on.raw.deviceEvent[1] = EventFlag.Disable;
    for (let i = 0; i < 3; i += 1) assert.deepEqual([on.submit(), on.serve()], [false, false]);
    on.raw.driverEvent[1] = EventFlag.Enable;
    on.raw.deviceEvent[1] = EventFlag.Enable;
    for (let i = 0; i < 3; i += 1) assert.deepEqual([on.submit(), on.serve()], [true, true]);
    // Reserved bits are not looked at.
    on.raw.driverEvent[1] = 0xfff0 | EventFlag.Disable;
    on.raw.deviceEvent[1] = 0xfff0 | EventFlag.Disable;
    assert.deepEqual([on.submit(), on.serve()], [false, false]);
  }
});

for (const start of [0, 3, 6, 7, 13, 14]) {
  test(`a descriptor 5 ahead gives one call and one kick in seven, ${start} requests in (VIRTIO 2.8.10)`, (t) => {
    const on = makePacked(t, { eventIdx: true, size: 7 });
    advance(on, start);
    // The decision about the first notification is made anew by every half: let it pass.
    advance(on, 7);
    const position = (start + 7 + 5) % 7;
    const lap = Math.floor((start + 7 + 5) / 7) % 2 === 0 ? 0x8000 : 0;
    on.raw.driverEvent.set([position | lap, EventFlag.Descriptor]);
    on.raw.deviceEvent.set([position | lap, EventFlag.Descriptor]);
    const kicks: boolean[] = [];
    const calls: boolean[] = [];
    for (let i = 0; i < 7; i += 1) {
      kicks.push(on.submit());
      calls.push(on.serve());
      on.collect();
    }
    const once = [false, false, false, false, false, true, false];
    assert.deepEqual([kicks, calls], [once, once]);
  });
}

test("a batch that goes past the descriptor notifies, one that ends before it does not", (t) => {
  for (const size of [7, 8, 64]) {
    for (const [at, count, expected] of [
      [4, 4, false],
      [4, 5, true],
      [0, 1, true],
      [6, 7, true],
      [6, 6, false],
    ] as const) {
      const on = makePacked(t, { eventIdx: true, size });
      advance(on, 2 * size);
      on.raw.driverEvent.set([at | 0x8000, EventFlag.Descriptor]);
      on.raw.deviceEvent.set([at | 0x8000, EventFlag.Descriptor]);
      assert.equal(on.submit(count), expected, `kick: ${count} past ${at} of ${size}`);
      assert.equal(on.serve(count), expected, `call: ${count} past ${at} of ${size}`);
    }
  }
});

test("arming names the position where the next one will be, with its lap", (t) => {
  const on = makePacked(t, { eventIdx: true, size: 3 });
  for (const position of [0x8000, 0x8001, 0x8002, 0, 1, 2, 0x8000]) {
    assert.deepEqual([on.driver.arm(), on.device.arm()], [true, true]);
    assert.deepEqual([...on.raw.driverEvent], [position, EventFlag.Descriptor]);
    assert.deepEqual([...on.raw.deviceEvent], [position, EventFlag.Descriptor]);
    assert.deepEqual([on.submit(), on.serve()], [true, true]);
    on.collect();
  }
  on.driver.disarm();
  on.device.disarm();
  assert.deepEqual([on.raw.driverEvent[1], on.raw.deviceEvent[1]], [1, 1]);
});

test("sleeping and waking by notifications alone never stalls", (t) => {
  for (const eventIdx of [false, true]) {
    for (const inOrder of [false, true]) {
      const on = makePacked(t, { eventIdx, inOrder, size: 7 });
      let state = 7;
      const random = (below: number) => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
        return (state >>> 8) % below;
      };
      let kicked = true;
      let called = true;
      let completed = 0;
      let submitted = 0;
      const segments = new SegmentList(1);
      segments.push(on.memory.allocate(8).guestAddress, 8);
      for (let step = 0; completed < 20_000; step += 1) {
        assert.ok(step < 400_000, "stalled");
        if (random(2) === 0) {
          for (let i = random(4); i > 0 && on.driver.add(segments, 1, 0); i -= 1) submitted += 1;
          if (on.driver.publish()) kicked = true;
        }
        if (kicked) {
          called = on.serve(1 + random(7)) || called;
          if (on.device.arm()) kicked = false;
        }
        if (called) {
          completed += on.driver.poll(() => undefined, 1 + random(7));
          if (on.driver.arm()) called = false;
        }
      }
      assert.ok(submitted >= completed);
    }
  }
});
