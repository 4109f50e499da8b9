/** When a ring asks for kicks and calls, in either format. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { FORMATS, makeRings } from "../../support/rings.ts";
import { stepsOf } from "../../support/steps.ts";

guardLeaks();

const variants = FORMATS.flatMap((format) =>
  [false, true].flatMap((eventIdx) =>
    [false, true].map((inOrder) => ({ ...format, eventIdx, inOrder })),
  ),
);

for (const { name, ...features } of variants) {
  const order = features.inOrder ? ", in order" : "";
  const variant = `${name}, ${features.eventIdx ? "event index" : "flags"}${order}`;

  test(`after disableNotifications neither side asks for notifications (${variant})`, (t) => {
    const rings = stepsOf(makeRings(t, { ...features, size: 8 }));
    const { submit, serve, collect } = rings;
    submit();
    serve();
    collect();
    for (let i = 0; i < 1000; i += 1) {
      rings.driver.disableNotifications();
      rings.device.disableNotifications();
      assert.equal(submit(1 + (i % 8)), false);
      assert.equal(serve(8), false);
      collect();
    }
  });

  test(`enabling notifications finds what came between the last look and that (${variant})`, (t) => {
    const rings = stepsOf(makeRings(t, { ...features, size: 8 }));
    const { submit, serve, collect } = rings;
    const { driver, device } = rings;
    for (let i = 0; i < 20; i += 1) {
      driver.disableNotifications();
      device.disableNotifications();
      assert.equal(collect(), 0);
      submit();
      assert.equal(device.enableNotifications(), false, "a request is there");
      serve();
      assert.equal(driver.enableNotifications(), false, "a completion is there");
      assert.equal(device.enableNotifications(), true);
      assert.equal(collect(), 1);
      assert.equal(driver.enableNotifications(), true);
    }
  });

  test(`notifications stay off for a device that took only a part (${variant})`, (t) => {
    const rings = stepsOf(makeRings(t, { ...features, size: 8 }));
    const { submit, serve } = rings;
    submit(3);
    serve(2);
    assert.equal(rings.device.enableNotifications(), false);
    serve(1);
    assert.equal(rings.device.enableNotifications(), true);
  });

  test(`sleeping and waking by notifications alone never stalls (${variant})`, (t) => {
    // Each side does nothing unless it was notified or enabling notifications reported work. The batches are
    // pseudo-random; the whole is far more than one round of the 16-bit indices.
    const rings = stepsOf(makeRings(t, { ...features, size: 16 }));
    const { submit, serve, collect } = rings;
    const { driver, device } = rings;
    let seed = 12345;
    const random = (below: number) => {
      seed = (seed * 1_103_515_245 + 12_345) & 0x7fff_ffff;
      return (seed >>> 8) % below;
    };
    const total = 100_000;
    let submitted = 0;
    let completed = 0;
    let kick = false;
    let call = true;
    driver.enableNotifications();
    device.enableNotifications();
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
        } while (!driver.enableNotifications());
      }
      if (kick) {
        kick = false;
        do {
          call = serve(1 + random(16)) || call;
        } while (!device.enableNotifications());
      }
      assert.ok(worked, `stalled: submitted ${submitted}, completed ${completed}, sum ${before}`);
    }
    assert.equal(submitted, total);
  });
}
