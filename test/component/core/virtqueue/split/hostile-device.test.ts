/** What only a split ring allows a device to break; the rest is in ../hostile-device.test.ts. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { SplitRingWords } from "../../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";
import { assertBroken, type Victim, victim } from "../../../support/victim.ts";

guardLeaks();

function splitVictim(t: TestContext): Victim & { readonly raw: SplitRingWords } {
  const on = victim(t, {});
  const { raw } = on.driver;
  assert.ok(raw.format === "split");
  return { ...on, raw };
}

test("a completion without any request breaks the ring", (t) => {
  const on = splitVictim(t);
  on.use(0, 0);
  assertBroken(on, /at most 0 completions, got 1/);
});

test("a used index that jumps breaks the ring before anything completes", (t) => {
  for (const distance of [3, 9, 0x8000]) {
    const on = splitVictim(t);
    on.submit(2);
    Atomics.store(on.raw.used16, 1, distance);
    assertBroken(on, new RegExp(`at most 2 completions, got ${distance}`));
  }
});

test("a used index that moves backwards breaks the ring", (t) => {
  const on = splitVictim(t);
  on.submit(2);
  on.use(0, 0);
  assert.equal(on.poll().length, 1);
  Atomics.store(on.raw.used16, 1, 0);
  assert.deepEqual(on.poll(), []);
  assert.match(on.driver.broken?.reason ?? "", /at most 1 completion, got 65535 \(used idx 0\)/);
});
