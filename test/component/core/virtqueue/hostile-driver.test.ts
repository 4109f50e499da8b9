/** What a driver that keeps no rule does to the device half of a ring, in either format. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { counted } from "../../../../src/core/base/index.ts";
import { MAX_SPANS, Region } from "../../../../src/core/memory/index.ts";
import { DescriptorFlag } from "../../../../src/core/virtqueue/index.ts";
import { linked, type RawDescriptor, writeIndirectTable } from "../../../../src/lab/wire/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import {
  type Attack,
  assertBreaks,
  assertRefuses,
  assertUnreachable,
  attack,
} from "../../support/attack.ts";
import { describeRegion, makeRegion, PAGE, unsealedFile } from "../../support/memory.ts";
import { FORMATS } from "../../support/rings.ts";
import { assertInside } from "../../support/spans.ts";

const { Write, Indirect } = DescriptorFlag;

guardLeaks();

/** Sections of VIRTIO 1.2 that a device half names. */
const SECTIONS = {
  split: {
    buffer: "2.7.5",
    order: "2.7.4.2",
    length: "2.7.5.2",
    table: "2.7.5.3",
    indirect: "2.7.5.3.1",
  },
  packed: {
    buffer: "2.8.4",
    order: "2.8.17",
    length: "2.8.19",
    table: "2.8.7",
    indirect: "2.8.19",
  },
} as const;

const outside: readonly [name: string, address: (on: Attack) => number | bigint, length: number][] =
  [
    ["at 0 (hostile/9)", () => 0, 1],
    ["right behind memory", ({ table }) => table.regions[0]?.end ?? 0, 1],
    ["that wraps around 2^64 (hostile/10)", () => 0xffff_ffff_ffff_f000n, 0x2000],
    ["at 2^53", () => 2n ** 53n, 16],
    ["at the last byte of 64 bits", () => 2n ** 64n - 1n, 1],
    [
      "that extends into a hole (hostile/11)",
      ({ table }) => (table.regions[0]?.end ?? 0) - PAGE,
      PAGE + 1,
    ],
    ["of 4 GiB - 1 (hostile/12)", ({ good }) => good, 0xffff_ffff],
    ["in user addresses", ({ driver }) => driver.parts.descriptors.userAddress, 1],
  ];

for (const { name, packed } of FORMATS) {
  const sections = SECTIONS[name];
  const options = { packed };
  const tableOf = ({ memory }: Attack, entries: readonly RawDescriptor[]): RawDescriptor =>
    writeIndirectTable(name, memory.allocate(16 * entries.length), entries);

  describe(`${name} rings`, () => {
    for (const [where, address, length] of outside) {
      for (const flags of [0, Write]) {
        for (const table of [false, true]) {
          const what = `${flags ? "writable" : "readable"} buffer${table ? " of a table" : ""}`;
          test(`a ${what} ${where} makes its request unreachable`, (t) => {
            const memory = process.memoryUsage.rss();
            const on = attack(t, options);
            const at = address(on);
            const descriptor = { address: at, length, flags };
            on.raw.chain(table ? tableOf(on, [descriptor]) : descriptor);
            const bytes = `${counted(length, "byte")} at guest address 0x${at.toString(16)};`;
            assertUnreachable(on, new RegExp(bytes), sections.buffer);
            assert.ok(process.memoryUsage.rss() - memory < 2 ** 29);
          });
        }
      }
    }

    test("a buffer in a file's last page behind the region's end is unreachable", (t) => {
      const { chain, device, raw, table } = attack(t, options);
      table.add(new Region(describeRegion(0x1000, 100, { userAddress: 0n }), unsealedFile(PAGE)));
      raw.singles({ address: 0x1000, length: 100 }, { address: 0x1000, length: 101 });
      assert.ok(device.next(chain));
      const why = (): string => chain.unreachable?.reason ?? "reachable";
      assert.equal(why(), "reachable");
      assert.ok(device.next(chain));
      assert.match(why(), /101 bytes at guest address 0x1000/);
    });

    test("a readable descriptor after a writable one is refused (hostile/14)", (t) => {
      const chain = ({ good }: Attack): RawDescriptor[] => [
        { address: good, length: 1 },
        { address: good, length: 1, flags: Write },
        { address: good, length: 1 },
      ];
      const reason = /a readable descriptor follows a writable one/;
      assertRefuses(t, options, chain, reason, sections.order);
      const table = (on: Attack): RawDescriptor[] => [tableOf(on, linked(chain(on)))];
      assertRefuses(t, options, table, reason, sections.order);
    });

    test("an indirect table whose length is 0 or not a multiple of 16 is refused (hostile/16)", (t) => {
      for (const length of [0, 8, 15, 17, 24]) {
        const chain = ({ good }: Attack) => [{ address: good, length, flags: Indirect }];
        const reason = new RegExp(`n \\* 16 bytes, got ${length}`);
        assertRefuses(t, options, chain, reason, sections.table);
      }
    });

    test("an indirect table outside of memory makes its request unreachable (hostile/16)", (t) => {
      for (const [address, length] of [
        [undefined, 0xffff_fff0],
        [0, 16],
        [2n ** 64n - 16n, 32],
      ] as const) {
        const on = attack(t, options);
        on.raw.chain({ address: address ?? on.good, length, flags: Indirect });
        const reason =
          /expected an indirect table inside shared memory, got \d+ bytes at guest address/;
        assertUnreachable(on, reason, sections.table);
      }
    });

    test("INDIRECT together with NEXT is refused (hostile/18)", (t) => {
      const chain = ({ good }: Attack) => [
        { address: good, length: 16, flags: Indirect },
        { address: good, length: 16, flags: Indirect },
      ];
      const reason = packed
        ? /an indirect descriptor in a chain of several/
        : /both INDIRECT and NEXT/;
      assertRefuses(t, options, chain, reason, sections.indirect);
    });

    test("an indirect descriptor without the feature is refused", (t) => {
      const chain = ({ good }: Attack) => [{ address: good, length: 16, flags: Indirect }];
      const reason = /without VIRTIO_RING_F_INDIRECT_DESC/;
      assertRefuses(t, { packed, indirect: false }, chain, reason, sections.indirect);
    });

    test("an indirect table of 2048 entries that straddles regions is refused within bounds (hostile/23)", (t) => {
      const on = attack(t, { packed, bytes: 2 ** 18, regions: 2 });
      const [first, second] = on.table.regions;
      assert.ok(first && second);
      const lay = (count: number): RawDescriptor => {
        const single = { address: on.good, length: 1 };
        const bytes = new Uint8Array(count * 16);
        const entries = linked(Array.from({ length: count }, () => single));
        writeIndirectTable(name, { bytes, address: 0 }, entries);
        const half = 512 * 16 + 8;
        const left = first.view(first.end - first.start - half, half);
        left.window.bytes.set(bytes.subarray(0, half), left.offset);
        second.view(0, bytes.length - half).window.bytes.set(bytes.subarray(half), 0);
        return { address: first.end - half, length: bytes.length, flags: Indirect };
      };
      on.raw.chain(lay(1024));
      assert.ok(on.device.next(on.chain), on.device.broken?.reason);
      assert.equal(on.chain.readableBytes, 1024);
      on.device.complete(on.chain.id, 0);
      on.device.publish();
      on.raw.chain(lay(2048));
      assertBreaks(on, /(?:at most|more than) 1024 descriptors/, sections.length);
    });

    test("a chain of 1025 descriptors is refused on a small queue", (t) => {
      const chain = (on: Attack) => [
        tableOf(on, linked(Array.from({ length: 1025 }, () => ({ address: on.good, length: 1 })))),
      ];
      assertRefuses(t, options, chain, /(?:at most|more than) 1024 descriptors/, sections.length);
    });

    test("a chain in more spans than their list holds is refused", (t) => {
      const on = attack(t, options);
      for (let i = 0; i < 65; i += 1) on.table.add(makeRegion(i * PAGE, PAGE));
      const large = { address: 0, length: 65 * PAGE };
      on.raw.chain(tableOf(on, linked(Array.from({ length: 1024 }, () => large))));
      assertBreaks(on, /at most 65536 /, sections.buffer);
      assert.equal(on.chain.spans.offsets.length, MAX_SPANS);
    });

    test("a chain of more than 2^32 bytes is refused", (t) => {
      const on = attack(t, { packed, bytes: 2 ** 25 });
      const start = on.table.regions[0]?.start ?? 0;
      const entries = Array.from({ length: 256 }, () => ({ address: start, length: 2 ** 24 }));
      on.raw.chain(tableOf(on, linked(entries)));
      assert.ok(on.device.next(on.chain), "2^32 bytes are allowed");
      assert.equal(on.chain.readableBytes, 2 ** 32);
      on.raw.chain(tableOf(on, linked([...entries, { address: on.good, length: 1 }])));
      assert.equal(on.device.next(on.chain), false);
      assert.match(on.device.broken?.reason ?? "", /at most 2\^32 bytes/);
    });

    test("a writable buffer over the ring itself does no harm outside of it (hostile/25)", (t) => {
      const on = attack(t, options);
      const { descriptors, driver, device } = on.driver.parts;
      const over = ({ guestAddress: address, bytes }: typeof driver): RawDescriptor => ({
        address,
        length: bytes.length,
        flags: Write,
      });
      on.raw.singles(over(device), over(driver), over(descriptors));
      for (let i = 0; i < 3; i += 1) {
        if (!on.device.next(on.chain)) break;
        assertInside(on.chain, on.table);
        const { offsets, lengths, windows } = on.chain.spans;
        const start = offsets[0] ?? 0;
        windows[0]?.bytes.fill(0xff, start, start + (lengths[0] ?? 0));
        on.device.complete(on.chain.id, 1);
        on.device.publish();
      }
      for (let i = 0; i < 20; i += 1) on.device.next(on.chain);
      if (packed) assert.equal(on.device.inFlight, 0);
      else assert.ok(on.device.broken, "the available index became 65535");
    });

    test("event fields and areas of any value cost at most notifications", (t) => {
      for (const eventIdx of [false, true]) {
        const size = packed ? 5 : 8;
        const on = attack(t, { packed, eventIdx, size });
        const { driver, device } = on.driver.parts;
        const values = new Uint16Array(2);
        const scribble = (i: number): void => {
          values.set([(i * 7919) & 0xffff, (i * 31) & 0xffff]);
          const bytes = new Uint8Array(values.buffer);
          if (packed) {
            driver.bytes.set(bytes);
            device.bytes.fill(i & 0xff);
            return;
          }
          // Flags and used_event, and the same of the device, which does not read its own.
          driver.bytes.set(bytes.subarray(0, 2));
          driver.bytes.set(bytes.subarray(2), 4 + 2 * size);
          device.bytes.set(bytes.subarray(2), 0);
          device.bytes.set(bytes.subarray(0, 2), 4 + 8 * size);
        };
        for (let i = 0; i < 3000; i += 1) {
          scribble(i);
          on.raw.chain({ address: on.good, length: 4 });
          assert.ok(on.device.next(on.chain), on.device.broken?.reason);
          on.device.complete(on.chain.id, 0);
          on.device.publish();
          on.device.enableNotifications();
        }
        assert.equal(on.device.broken, undefined);
      }
    });
  });
}
