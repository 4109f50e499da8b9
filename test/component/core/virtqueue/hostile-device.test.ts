/** What a device that keeps no rule does to the driver half of a ring, in either format. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createChainCursor, DescriptorFlag } from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { FORMATS, segmentsOf } from "../../support/rings.ts";
import { assertBroken, type Victim, victim } from "../../support/victim.ts";

const { Write } = DescriptorFlag;

guardLeaks();

/** The device fills ring and tables with a byte, then completes as if it had not. */
function scribble({ driver: { parts, raw } }: Victim, byte: number): void {
  parts.descriptors.bytes.fill(byte);
  if (raw.format === "packed") parts.device.bytes.fill(byte);
  else raw.available.fill(0xffff, 2, 2 + raw.size);
}

for (const { name, packed } of FORMATS) {
  const options = { packed };

  describe(`${name} rings`, () => {
    test("a used id outside of the ring breaks it", (t) => {
      const ids = packed ? [8, 0x7fff, 0xffff] : [8, 0xffff, 0x1_0000, 0x8000_0000, 0xffff_ffff];
      for (const id of ids) {
        const on = victim(t, options);
        on.submit(1);
        on.use(id, 0);
        assertBroken(on, new RegExp(`outstanding .* used .*, got ${id}$`));
        assert.equal(on.driver.outstanding, 1);
      }
    });

    test("a used id that no outstanding request has breaks the ring", (t) => {
      for (const id of [1, 4]) {
        const on = victim(t, options);
        on.submit(1);
        on.use(id, 0);
        assertBroken(on, new RegExp(`, got ${id}$`));
      }
    });

    test("a used id that comes twice breaks the ring, after the first completes", (t) => {
      const on = victim(t, options);
      on.submit(2);
      on.use(0, 16);
      on.use(0, 16);
      assert.deepEqual(on.poll(), [[0, 16]]);
      assertBroken(on, /, got 0$/);
    });

    test("the completion of a request that was not published breaks the ring", (t) => {
      const on = victim(t, options);
      on.submit(1);
      assert.ok(on.driver.add(segmentsOf([on.memory.allocate(8).guestAddress, 8]), 0, 9));
      if (!packed) on.use(on.idOf(0), 0);
      on.use(on.idOf(1), 0);
      assertBroken(on, packed ? /used descriptor, got 1/ : /at most 1 completion, got 2/);
    });

    test("a used length above the writable bytes is cut to them and counted", (t) => {
      const on = victim(t, options);
      on.submit(3);
      on.use(on.idOf(0), 17);
      on.use(on.idOf(1), 0xffff_ffff);
      on.use(on.idOf(2), 16);
      assert.deepEqual(on.poll(), [
        [0, 16],
        [1, 16],
        [2, 16],
      ]);
      assert.equal(on.driver.overlongCompletions, 2);
      assert.equal(on.driver.overlongLength, 0xffff_ffff);
      assert.equal(on.driver.broken, undefined);
    });

    test("a used length of a chain without writable bytes is cut to 0", (t) => {
      const on = victim(t, options);
      on.driver.add(segmentsOf([on.memory.allocate(8).guestAddress, 8]), 1, 3);
      on.driver.publish();
      on.use(0, 1);
      assert.deepEqual(on.poll(), [[3, 0]]);
      assert.equal(on.driver.overlongCompletions, 1);
    });

    for (const indirect of [false, true]) {
      for (const inOrder of packed ? [false, true] : [false]) {
        const variant = `${indirect ? "indirect" : "direct"}${inOrder ? ", in order" : ""}`;
        test(`what a device scribbles over ring and tables is never read back (${variant})`, (t) => {
          const on = victim(t, { packed, indirect, inOrder });
          const { driver, device } = on;
          const count = indirect ? 8 : 4;
          const step = indirect ? 1 : 2;
          const chain = createChainCursor();
          let expected = 0;
          for (let round = 0; round < 100; round += 1) {
            on.submit(count);
            const { raw } = driver;
            const ids: number[] = [];
            if (raw.format === "packed") {
              // The id is in the last descriptor of a chain.
              for (let last = step - 1; last < 8; last += step)
                ids.push(raw.descriptors16[last * 8 + 6] ?? -1);
            } else {
              while (device.next(chain)) ids.push(chain.id);
              for (let i = 0; i < count; i += 1) device.complete(0, 0);
            }
            assert.equal(new Set(ids).size, count);
            scribble(on, packed ? round : 0xff);
            for (const id of inOrder ? ids : ids.toReversed()) on.use(id, 4, Write, step);
            const tokens = Array.from({ length: count }, (_, i) => expected + i);
            assert.deepEqual(
              on.poll().map(([token]) => token),
              inOrder ? tokens : tokens.toReversed(),
            );
            expected += count;
          }
          assert.equal(driver.broken, undefined);
          assert.equal(driver.outstanding, 0);
        });
      }
    }

    test("event fields and areas of random values cost at most notifications", (t) => {
      for (const eventIdx of [false, true]) {
        const on = victim(t, { packed, eventIdx, size: packed ? 7 : 8 });
        const { raw, parts } = on.driver;
        const chain = createChainCursor();
        for (let i = 0; i < 2000; i += 1) {
          const values = new Uint16Array([(i * 7919) & 0xffff, (i * 31) & 0xffff]);
          if (raw.format === "packed") {
            parts.device.bytes.set(new Uint8Array(values.buffer));
          } else {
            raw.used16[raw.availEventIndex] = values[0] ?? 0;
            raw.used16[0] = values[1] ?? 0;
          }
          on.submit(1);
          assert.ok(on.device.next(chain));
          on.device.complete(chain.id, 0);
          on.device.publish();
          assert.equal(on.poll().length, 1);
        }
      }
    });
  });
}
