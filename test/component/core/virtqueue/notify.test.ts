import assert from "node:assert/strict";
import { test } from "node:test";
import { createChainCursor } from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { makeRings, type Rings, segmentsOf } from "../../support/rings.ts";

guardLeaks();

/** Drives one request after the other without looking at any notification. */
function makeSteps({ driver, device, memory }: Rings) {
  const segments = segmentsOf([memory.allocate(16).guestAddress, 16]);
  const chain = createChainCursor();
  let token = 0;
  return {
    /** Publishes `count` requests; whether the device wants a kick. */
    submit: (count = 1): boolean => {
      for (let i = 0; i < count; i += 1) assert.ok(driver.add(segments, 0, token++ & 0xff));
      return driver.publish();
    },
    /** Serves up to `count`; whether the driver wants a call. */
    serve: (count = 1): boolean => {
      for (let i = 0; i < count && device.next(chain); i += 1) device.complete(chain.id, 0);
      return device.publish();
    },
    collect: (): number => driver.poll(() => undefined, 1000),
  };
}

/** Leaves both indices where so many requests would have brought them. */
function advance(rings: Rings, requests: number): void {
  const { submit, serve, collect } = makeSteps(rings);
  const { size } = rings.driver;
  while (requests > 0) {
    const count = Math.min(size, requests);
    submit(count);
    serve(count);
    assert.equal(collect(), count);
    requests -= count;
  }
}

test("without event index, NO_INTERRUPT suppresses calls and NO_NOTIFY kicks", (t) => {
  const rings = makeRings(t);
  const { submit, serve, collect } = makeSteps(rings);
  const { driver, device } = rings;
  assert.equal(submit(), true);
  device.disarm();
  assert.equal(submit(), false);
  driver.disarm();
  assert.equal(serve(2), false);
  assert.equal(collect(), 2);
  assert.equal(driver.arm(), true);
  assert.equal(device.arm(), true);
  assert.equal(submit(), true);
  assert.equal(serve(), true);
});

test("without event index the fields behind the rings mean nothing", (t) => {
  const rings = makeRings(t, { size: 4 });
  const { submit, serve, collect } = makeSteps(rings);
  const { raw } = rings.driver;
  for (let event = 0; event < 300; event += 7) {
    raw.available[raw.usedEventIndex] = event;
    raw.used16[raw.availEventIndex] = event * 3;
    assert.equal(submit(), true);
    assert.equal(serve(), true);
    assert.equal(collect(), 1);
    assert.ok((raw.used16[0] ?? 9) <= 1);
  }
  assert.equal(raw.available[raw.usedEventIndex], 294, "and are not written");
});

test("with event index the flags are ignored, and both sides keep theirs at 0", (t) => {
  const rings = makeRings(t, { eventIdx: true });
  const { submit, serve, collect } = makeSteps(rings);
  const { driver, device } = rings;
  const { raw } = driver;
  for (let i = 0; i < 20; i += 1) {
    raw.available[0] = 1;
    raw.used16[0] = 1;
    assert.equal(submit(), true, "kick");
    assert.equal(serve(), true, "call");
    raw.available[0] = 0;
    raw.used16[0] = 0;
    collect();
    driver.disarm();
    device.disarm();
    assert.deepEqual([raw.available[0], raw.used16[0]], [0, 0]);
    driver.arm();
    device.arm();
    assert.deepEqual([raw.available[0], raw.used16[0]], [0, 0]);
  }
});

test("used_event 9 ahead gives exactly one call in ten completions", (t) => {
  const rings = makeRings(t, { size: 16, eventIdx: true });
  const { submit, serve, collect } = makeSteps(rings);
  submit();
  assert.equal(serve(), true, "the first decision is always to call");
  collect();
  const { raw } = rings.driver;
  raw.available[raw.usedEventIndex] = 1 + 9;
  submit(10);
  const calls = Array.from({ length: 10 }, () => serve());
  assert.deepEqual(calls.map(Number), [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
});

test("a batch that crosses used_event gives a call, one that does not gives none", (t) => {
  const rings = makeRings(t, { size: 16, eventIdx: true });
  const { submit, serve } = makeSteps(rings);
  const { raw } = rings.driver;
  submit(16);
  serve(1);
  raw.available[raw.usedEventIndex] = 5;
  assert.equal(serve(4), false, "to 5");
  assert.equal(serve(4), true, "to 9, over 5");
  assert.equal(serve(4), false, "to 13, 5 lies behind");
});

test("avail_event decides about kicks in the same way", (t) => {
  const rings = makeRings(t, { size: 16, eventIdx: true });
  const { submit } = makeSteps(rings);
  const { raw } = rings.driver;
  raw.used16[raw.availEventIndex] = 3;
  assert.equal(submit(3), false);
  assert.equal(submit(1), true);
  assert.equal(submit(4), false);
  raw.used16[raw.availEventIndex] = 10;
  assert.equal(submit(8), true);
});

for (const at of [65_534, 65_535, 65_536]) {
  test(`events around the wrap of the indices are not missed (${at} requests before)`, (t) => {
    const rings = makeRings(t, { size: 8, eventIdx: true });
    advance(rings, at);
    const { submit, serve, collect } = makeSteps(rings);
    const { driver, device } = rings;
    assert.equal(driver.arm(), true);
    assert.equal(device.arm(), true);
    for (let i = 0; i < 5; i += 1) {
      assert.equal(submit(), true, `kick ${i}`);
      assert.equal(serve(), true, `call ${i}`);
      assert.equal(collect(), 1);
      assert.equal(driver.arm(), true);
      assert.equal(device.arm(), true);
    }
    const { raw } = driver;
    raw.available[raw.usedEventIndex] = (driver.base + 3) & 0xffff;
    submit(8);
    assert.deepEqual(
      Array.from({ length: 8 }, () => Number(serve())),
      [0, 0, 0, 1, 0, 0, 0, 0],
    );
  });
}

for (const eventIdx of [false, true]) {
  const name = eventIdx ? "event index" : "flags";

  test(`after disarm neither side asks for notifications (${name})`, (t) => {
    const rings = makeRings(t, { size: 8, eventIdx });
    const { submit, serve, collect } = makeSteps(rings);
    submit();
    serve();
    collect();
    for (let i = 0; i < 1000; i += 1) {
      rings.driver.disarm();
      rings.device.disarm();
      assert.equal(submit(1 + (i % 8)), false);
      assert.equal(serve(8), false);
      collect();
    }
  });

  test(`arming tells of work that came between the last look and the arming (${name})`, (t) => {
    const rings = makeRings(t, { size: 8, eventIdx });
    const { submit, serve, collect } = makeSteps(rings);
    const { driver, device } = rings;
    for (let i = 0; i < 20; i += 1) {
      driver.disarm();
      device.disarm();
      assert.equal(collect(), 0);
      submit();
      assert.equal(device.arm(), false, "a request is there");
      serve();
      assert.equal(driver.arm(), false, "a completion is there");
      assert.equal(device.arm(), true);
      assert.equal(collect(), 1);
      assert.equal(driver.arm(), true);
    }
  });

  test(`a device that took only a part of what is there is told so (${name})`, (t) => {
    const rings = makeRings(t, { size: 8, eventIdx });
    const { submit, serve } = makeSteps(rings);
    submit(3);
    serve(2);
    assert.equal(rings.device.arm(), false);
    serve(1);
    assert.equal(rings.device.arm(), true);
  });

  test(`sleeping and waking by notifications alone never stalls (${name})`, (t) => {
    // Each side does nothing unless it was notified or its arming told of work. The batches are
    // pseudo-random; the whole is far more than one round of the 16-bit indices.
    const rings = makeRings(t, { size: 16, eventIdx });
    const { submit, serve, collect } = makeSteps(rings);
    const { driver, device } = rings;
    let seed = 12345;
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) & 0x7fff_ffff;
      return (seed >>> 8) % below;
    };
    const total = 200_000;
    let submitted = 0;
    let completed = 0;
    let kick = false;
    let call = true;
    driver.arm();
    device.arm();
    while (completed < total) {
      const before = submitted + completed;
      const worked = kick || call;
      if (call) {
        call = false;
        do {
          completed += collect();
          const room = Math.min(total - submitted, 16 - driver.outstanding);
          const count = room > 0 ? 1 + random(room) : 0;
          if (count > 0) kick = submit(count) || kick;
          submitted += count;
          // Sometimes the device gets ahead in the midst of it.
          if (random(3) === 0) call = serve(random(4)) || call;
        } while (!driver.arm());
      }
      if (kick) {
        kick = false;
        do {
          call = serve(1 + random(16)) || call;
        } while (!device.arm());
      }
      assert.ok(worked, `stalled: submitted ${submitted}, completed ${completed}, sum ${before}`);
    }
    assert.equal(submitted, total);
  });
}

test("any value of used_event stalls nobody: the call comes within one round", (t) => {
  const rings = makeRings(t, { size: 4, eventIdx: true });
  const { submit, serve, collect } = makeSteps(rings);
  const { raw } = rings.driver;
  let used = 0;
  for (const event of [0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff]) {
    raw.available[raw.usedEventIndex] = event;
    let calls = 0;
    const start = used;
    for (let i = 0; i < 65_536; i += 1) {
      submit();
      const called = serve();
      collect();
      used = (used + 1) & 0xffff;
      if (!called) continue;
      calls += 1;
      // A call comes with the completion that moves the index from the event to the next value.
      if (i > 0 || start > 0) assert.equal((used - 1) & 0xffff, event);
    }
    assert.ok(calls >= 1, `event ${event}`);
  }
});
