import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { needsEvent, u16Distance } from "../../../../src/core/base/index.ts";

const u16 = fc.nat(0xffff);

test("a distance counts upwards, over the wrap", () => {
  assert.equal(u16Distance(5, 5), 0);
  assert.equal(u16Distance(6, 5), 1);
  assert.equal(u16Distance(0, 0xffff), 1);
  assert.equal(u16Distance(0xffff, 0), 0xffff);
  assert.equal(u16Distance(5, 6), 0xffff);
});

test("an event is needed once the index passes it, counted one by one", () => {
  // Straight from the words: walking from `before` to `now`, did an entry with the number `event`
  // become used?
  const walked = (event: number, now: number, before: number): boolean => {
    for (let at = before; at !== now; at = (at + 1) & 0xffff) if (at === event) return true;
    return false;
  };
  fc.assert(
    fc.property(u16, fc.nat(300), fc.integer({ min: -400, max: 400 }), (before, count, shift) => {
      const now = (before + count) & 0xffff;
      const event = (before + shift) & 0xffff;
      assert.equal(needsEvent(event, now, before), walked(event, now, before));
    }),
  );
});

test("nothing new needs no event, whatever was asked for", () => {
  fc.assert(fc.property(u16, u16, (event, at) => assert.equal(needsEvent(event, at, at), false)));
});

test("the next entry, the last one of a batch, and those beside it", () => {
  for (const base of [0, 100, 0xfffe, 0xffff]) {
    const at = (offset: number) => (base + offset) & 0xffff;
    assert.equal(needsEvent(at(0), at(1), at(0)), true);
    assert.equal(needsEvent(at(1), at(1), at(0)), false);
    assert.equal(needsEvent(at(-1), at(1), at(0)), false);
    assert.equal(needsEvent(at(9), at(10), at(0)), true);
    assert.equal(needsEvent(at(10), at(10), at(0)), false);
  }
});
