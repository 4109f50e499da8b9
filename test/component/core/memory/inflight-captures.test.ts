import assert from "node:assert/strict";
import { readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { GuestMemory, InflightRegion } from "../../../../src/core/memory/index.ts";
import { SharedMemory } from "../../../../src/core/os/index.ts";
import {
  createChainCursor,
  createDeviceQueue,
  type RingMemory,
} from "../../../../src/core/virtqueue/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { packageRoot } from "../../../support/package-root.ts";
import { tableOf } from "../../support/rings.ts";

guardLeaks();

interface Recorded {
  readonly size: number;
  readonly outstanding: number;
  readonly parts: Record<
    keyof RingMemory,
    { readonly guestAddress: number; readonly bytes: string }
  >;
  readonly region: string;
}

/** In the region: where the entry with a mark is. In the ring: first ring descriptors of the other chains. */
const expected = {
  split: { inFlight: 3, format: "split" },
  packed: { inFlight: 0, format: "packed" },
} as const;

for (const { format, inFlight } of Object.values(expected)) {
  test(`requests in flight when DPDK was killed are replayed: ${format}`, (t) => {
    const path = join(packageRoot, "test/fixtures/inflight", `dpdk-22.11-${format}.json`);
    const recorded = JSON.parse(readFileSync(path, "utf8")) as Recorded;
    const packed = format === "packed";
    const memory = new GuestMemory({ size: 1 << 20 });
    const table = tableOf(memory);
    const bytes = Buffer.from(recorded.region, "hex");
    const file = SharedMemory.create("test", bytes.length);
    writeSync(file.fd.fd, bytes);
    const mmapSize = BigInt(bytes.length);
    const description = { mmapSize, mmapOffset: 0n, numQueues: 1, queueSize: recorded.size };
    const region = new InflightRegion(description, file.fd, packed);
    t.after(() => {
      region.close();
      table.close();
      memory.close();
    });
    const part = (name: keyof RingMemory) => {
      const { guestAddress, bytes: hex } = recorded.parts[name];
      const [only] = table.regions;
      assert.ok(only);
      const content = Buffer.from(hex, "hex");
      const view = only.view(guestAddress - only.start, content.length);
      view.window.bytes.set(content, view.offset);
      return view;
    };
    const device = createDeviceQueue({
      size: recorded.size,
      memory: { descriptors: part("descriptors"), driver: part("driver"), device: part("device") },
      space: table,
      features: { eventIdx: false, indirect: false, packed },
      base: 0,
      inflight: region.area(0, packed),
    });
    const chain = createChainCursor();
    const chains: { first: number; readable: number; writable: number }[] = [];
    while (device.next(chain)) {
      const { spans, readableBytes: readable, writableBytes: writable } = chain;
      chains.push({ first: spans.offsets[0] ?? 0, readable, writable });
    }
    assert.equal(device.broken, undefined);
    // A write of 4 KiB: header and data, and a status byte.
    assert.deepEqual(
      chains.map(({ readable, writable }) => [readable, writable]),
      Array.from({ length: recorded.outstanding }, () => [4112, 1]),
    );
    assert.equal(new Set(chains.map(({ first }) => first)).size, recorded.outstanding);
    // The address of the chain that is replayed first is the recorded one, or the one of the head.
    const address = packed
      ? bytes.readBigUInt64LE(32 + 32 * inFlight + 24)
      : Buffer.from(recorded.parts.descriptors.bytes, "hex").readBigUInt64LE(16 * inFlight);
    assert.equal(BigInt(chains[0]?.first ?? 0), address - BigInt(table.regions[0]?.start ?? 0));
  });
}
