/** What only a packed ring allows a device to break; the rest is in ../hostile-device.test.ts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DescriptorFlag } from "../../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";
import { victim } from "../../../support/victim.ts";

const { Write, Available, Used } = DescriptorFlag;

guardLeaks();

test("used descriptors without any request mean nothing", (t) => {
  const on = victim(t, { packed: true });
  for (let i = 0; i < 40; i += 1) {
    on.use(i & 7, 5);
    assert.deepEqual(on.poll(), []);
    assert.equal(on.driver.enableNotifications(), true);
  }
  assert.equal(on.driver.broken, undefined);
});

test("a descriptor marked as used with another wrap counter is not a completion", (t) => {
  const on = victim(t, { packed: true });
  on.submit(2);
  for (const flags of [0, Available, Used]) {
    Atomics.store(on.driver.raw.descriptors16, 7, flags | Write);
    assert.deepEqual(on.poll(), []);
  }
  on.use(1, 16);
  on.use(0, 16);
  assert.deepEqual(on.poll(), [
    [1, 16],
    [0, 16],
  ]);
  assert.equal(on.driver.broken, undefined);
});

test("a used descriptor without WRITE says that nothing was written", (t) => {
  const on = victim(t, { packed: true });
  on.submit(1);
  on.use(0, 12, 0);
  assert.deepEqual(on.poll(), [[0, 0]]);
});
