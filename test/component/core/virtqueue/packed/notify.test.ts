/** When a packed ring asks for kicks and calls. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EventFlag } from "../../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";
import { makePacked } from "../../../support/steps.ts";

guardLeaks();

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
    on.advance(start);
    // The decision about the first notification is made again by every half: let it pass.
    on.advance(7);
    const position = (start + 7 + 5) % 7;
    const wrapBit = Math.floor((start + 7 + 5) / 7) % 2 === 0 ? 0x8000 : 0;
    on.raw.driverEvent.set([position | wrapBit, EventFlag.Descriptor]);
    on.raw.deviceEvent.set([position | wrapBit, EventFlag.Descriptor]);
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
      on.advance(2 * size);
      on.raw.driverEvent.set([at | 0x8000, EventFlag.Descriptor]);
      on.raw.deviceEvent.set([at | 0x8000, EventFlag.Descriptor]);
      assert.equal(on.submit(count), expected, `kick: ${count} past ${at} of ${size}`);
      assert.equal(on.serve(count), expected, `call: ${count} past ${at} of ${size}`);
    }
  }
});

test("enabling names the position of the next descriptor, with its wrap counter", (t) => {
  const on = makePacked(t, { eventIdx: true, size: 3 });
  for (const position of [0x8000, 0x8001, 0x8002, 0, 1, 2, 0x8000]) {
    assert.deepEqual(
      [on.driver.enableNotifications(), on.device.enableNotifications()],
      [true, true],
    );
    assert.deepEqual([...on.raw.driverEvent], [position, EventFlag.Descriptor]);
    assert.deepEqual([...on.raw.deviceEvent], [position, EventFlag.Descriptor]);
    assert.deepEqual([on.submit(), on.serve()], [true, true]);
    on.collect();
  }
  on.driver.disableNotifications();
  on.device.disableNotifications();
  assert.deepEqual([on.raw.driverEvent[1], on.raw.deviceEvent[1]], [1, 1]);
});
