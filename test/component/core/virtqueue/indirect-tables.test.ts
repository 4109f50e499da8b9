/** Descriptors and indirect tables as another driver may lay them out, in either format. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  createChainCursor,
  createDeviceQueue,
  DescriptorFlag,
  ringFormat,
} from "../../../../src/core/virtqueue/index.ts";
import { linked, type RawDescriptor, writeIndirectTable } from "../../../../src/lab/wire/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { fillWritable, readableBytes } from "../../support/chain-bytes.ts";
import { rawDriver } from "../../support/raw-driver.ts";
import { FORMATS, makeRings } from "../../support/rings.ts";

const { Next, Write, Indirect, Available, Used } = DescriptorFlag;

guardLeaks();

/** Bits that a descriptor's flags have no meaning for. */
const UNDEFINED = {
  split: 0xffff & ~(Next | Write | Indirect),
  packed: 0xffff & ~(Next | Write | Indirect | Available | Used),
} as const;

/** Four readable bytes in two descriptors, and 8 writable ones. */
const entriesAt = (address: number): readonly RawDescriptor[] =>
  linked([
    { address, length: 2 },
    { address: address + 2, length: 2 },
    { address: address + 32, length: 8, flags: Write },
  ]);

for (const { name, packed } of FORMATS) {
  describe(`${name} rings`, () => {
    test("a descriptor of length 0 adds nothing, wherever it points (hostile/13)", (t) => {
      const { driver, device, memory } = makeRings(t, { packed });
      const { guestAddress: a } = memory.allocate(64);
      rawDriver(driver).chain(
        { address: 2n ** 64n - 1n, length: 0 },
        { address: a, length: 4 },
        { address: 0, length: 0, flags: Write },
        { address: a, length: 0 },
        { address: a, length: 4, flags: Write },
      );
      const chain = createChainCursor();
      assert.ok(device.next(chain), device.broken?.reason);
      assert.deepEqual([chain.spans.count, chain.readableBytes, chain.writableBytes], [2, 4, 4]);
    });

    test("undefined descriptor flags are ignored, and WRITE on an indirect descriptor is (hostile/19)", (t) => {
      const { driver, device, memory } = makeRings(t, { packed, indirect: true });
      const { guestAddress: address } = memory.allocate(64);
      const raw = rawDriver(driver);
      const single = { address, length: 4, flags: UNDEFINED[name] };
      const table = writeIndirectTable(name, memory.allocate(64), [single]);
      raw.chain(single);
      raw.chain({ ...table, flags: UNDEFINED[name] | Write | Indirect });
      const chain = createChainCursor();
      for (let i = 0; i < 2; i += 1) {
        assert.ok(device.next(chain), device.broken?.reason);
        assert.deepEqual([chain.readableBytes, chain.writableBytes], [4, 0]);
      }
    });

    for (const shift of [0, 8, 4, 1, 2, 15]) {
      test(`an indirect table may start ${shift} bytes behind a multiple of 16`, (t) => {
        const { driver, device, memory } = makeRings(t, { packed, indirect: true });
        const { guestAddress: a, bytes } = memory.allocate(64);
        bytes.set([1, 2, 3, 4]);
        rawDriver(driver).chain(
          writeIndirectTable(name, memory.allocate(128), entriesAt(a), shift),
        );
        const chain = createChainCursor();
        assert.ok(device.next(chain), device.broken?.reason);
        assert.deepEqual(readableBytes(chain), [1, 2, 3, 4]);
        assert.equal(chain.writableBytes, 8);
      });
    }

    test("an indirect table of 1024 entries is served by a queue of 8", (t) => {
      const { driver, device, memory } = makeRings(t, { packed, indirect: true });
      const { guestAddress: a } = memory.allocate(2048);
      const entries = linked(
        Array.from({ length: 1024 }, (_, i) => ({ address: a + i, length: 1, flags: Write })),
      );
      rawDriver(driver).chain(writeIndirectTable(name, memory.allocate(16 * 1024), entries));
      const chain = createChainCursor();
      assert.ok(device.next(chain), device.broken?.reason);
      assert.equal(chain.writableBytes, 1024);
    });

    for (const cut of [16, 8, 4, 1]) {
      test(`an indirect table may straddle two regions, ${cut} bytes of a descriptor in the first`, (t) => {
        const options = { packed, indirect: true, regions: 2, bytes: 2 ** 14 };
        const { driver, device, memory, table } = makeRings(t, options);
        const { guestAddress: a, bytes } = memory.allocate(64);
        bytes.set([1, 2, 3, 4]);
        // The last bytes of the first region and the first ones of the second.
        const [first, second] = table.regions;
        assert.ok(first && second && first.end === second.start);
        const whole = memory.allocate(48);
        writeIndirectTable(name, whole, entriesAt(a));
        const split = 16 + cut;
        const left = first.view(first.end - first.start - split, split);
        left.window.bytes.set(whole.bytes.subarray(0, split), left.offset);
        second.view(0, 48).window.bytes.set(whole.bytes.subarray(split), 0);
        rawDriver(driver).chain({ address: first.end - split, length: 48, flags: Indirect });
        const chain = createChainCursor();
        assert.ok(device.next(chain), device.broken?.reason);
        assert.deepEqual(readableBytes(chain), [1, 2, 3, 4]);
        assert.equal(chain.writableBytes, 8);
      });
    }

    test("a buffer across a window border of a large region has two spans", (t) => {
      const { driver, device, memory, table } = makeRings(t, { packed, bytes: 2 ** 31 });
      const border = (table.regions[0]?.start ?? 0) + 2 ** 30;
      rawDriver(driver).chain({ address: border - 3, length: 10, flags: Write });
      const chain = createChainCursor();
      assert.ok(device.next(chain), device.broken?.reason);
      assert.deepEqual([chain.spans.lengths[0], chain.spans.lengths[1]], [3, 7]);
      assert.equal(fillWritable(chain), 10);
      memory.allocate(2 ** 30 - 2 ** 20);
      const view = table.regions[0]?.view(2 ** 30 - 3, 10);
      assert.deepEqual(
        [...(view?.window.bytes.subarray(view.offset, view.offset + 10) ?? [])],
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
      );
    });

    test("a ring may extend across a window border", (t) => {
      const size = 256;
      const { memory, table } = makeRings(t, { packed, bytes: 2 ** 31 });
      // One page in front of the border, so that parts are before, across and behind it.
      memory.allocate(2 ** 30 - 2 ** 20);
      const region = table.regions[0];
      assert.ok(region);
      const { layout, freshBase } = ringFormat(packed);
      const parts = layout(size);
      const part = (area: keyof typeof parts, offset: number) =>
        region.view(2 ** 30 + offset, parts[area].bytes);
      const ring = {
        descriptors: part("descriptors", -2048),
        driver: part("driver", 4096),
        device: part("device", -4096),
      };
      assert.ok(ring.descriptors.window !== ring.driver.window);
      const features = { eventIdx: true, indirect: false, packed };
      const options = { size, memory: ring, space: table, features, base: freshBase };
      const device = createDeviceQueue(options);
      const { guestAddress: address } = memory.allocate(16);
      const single = { address, length: 1, flags: Write };
      rawDriver(device).singles(...Array.from({ length: size }, () => single));
      const chain = createChainCursor();
      for (let i = 0; i < size; i += 1) {
        assert.ok(device.next(chain), `${i}: ${device.broken?.reason}`);
        if (!packed) assert.equal(chain.id, i);
        device.complete(chain.id, 1);
      }
      device.publish();
      const used = (area: keyof typeof ring, offset: number): number | undefined => {
        const at = ring[area].offset + offset;
        return ring[area].window.u16[at / 2];
      };
      if (packed) assert.equal(used("descriptors", 14), Available | Used | Write);
      else assert.equal(used("device", 2), size);
    });
  });
}
