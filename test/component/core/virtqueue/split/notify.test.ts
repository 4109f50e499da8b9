/** When a split ring asks for kicks and calls. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { guardLeaks } from "../../../../support/leak-guard.ts";
import { makeSplitRings } from "../../../support/rings.ts";
import { stepsOf } from "../../../support/steps.ts";

guardLeaks();

test("without event index, NO_INTERRUPT suppresses calls and NO_NOTIFY kicks", (t) => {
  const rings = stepsOf(makeSplitRings(t));
  const { submit, serve, collect } = rings;
  const { driver, device } = rings;
  assert.equal(submit(), true);
  device.disableNotifications();
  assert.equal(submit(), false);
  driver.disableNotifications();
  assert.equal(serve(2), false);
  assert.equal(collect(), 2);
  assert.equal(driver.enableNotifications(), true);
  assert.equal(device.enableNotifications(), true);
  assert.equal(submit(), true);
  assert.equal(serve(), true);
});

test("without event index the fields behind the rings mean nothing", (t) => {
  const rings = stepsOf(makeSplitRings(t, { size: 4 }));
  const { submit, serve, collect } = rings;
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
  const rings = stepsOf(makeSplitRings(t, { eventIdx: true }));
  const { submit, serve, collect } = rings;
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
    driver.disableNotifications();
    device.disableNotifications();
    assert.deepEqual([raw.available[0], raw.used16[0]], [0, 0]);
    driver.enableNotifications();
    device.enableNotifications();
    assert.deepEqual([raw.available[0], raw.used16[0]], [0, 0]);
  }
});

test("used_event 9 ahead gives exactly one call in ten completions", (t) => {
  const rings = stepsOf(makeSplitRings(t, { size: 16, eventIdx: true }));
  const { submit, serve, collect } = rings;
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
  const rings = stepsOf(makeSplitRings(t, { size: 16, eventIdx: true }));
  const { submit, serve } = rings;
  const { raw } = rings.driver;
  submit(16);
  serve(1);
  raw.available[raw.usedEventIndex] = 5;
  assert.equal(serve(4), false, "to 5");
  assert.equal(serve(4), true, "to 9, over 5");
  assert.equal(serve(4), false, "to 13, 5 was passed");
});

test("avail_event decides about kicks in the same way", (t) => {
  const rings = stepsOf(makeSplitRings(t, { size: 16, eventIdx: true }));
  const { submit } = rings;
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
    const rings = stepsOf(makeSplitRings(t, { size: 8, eventIdx: true }));
    rings.advance(at);
    const { submit, serve, collect } = rings;
    const { driver, device } = rings;
    assert.equal(driver.enableNotifications(), true);
    assert.equal(device.enableNotifications(), true);
    for (let i = 0; i < 5; i += 1) {
      assert.equal(submit(), true, `kick ${i}`);
      assert.equal(serve(), true, `call ${i}`);
      assert.equal(collect(), 1);
      assert.equal(driver.enableNotifications(), true);
      assert.equal(device.enableNotifications(), true);
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

test("no value of used_event stalls the driver: the call comes within one round", (t) => {
  const rings = stepsOf(makeSplitRings(t, { size: 4, eventIdx: true }));
  const { submit, serve, collect } = rings;
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
