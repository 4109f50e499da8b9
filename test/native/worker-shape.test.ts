import assert from "node:assert/strict";
import { test } from "node:test";
import { BlockRequest } from "../../src/devices/block/index.ts";
import type { Client, ClientQueue } from "../../src/frontend/index.ts";
import { VirtioFeature } from "../../src/protocol/index.ts";
import { RING_MODES, type RingMode } from "../../src/runtime/index.ts";
import { SegmentList } from "../../src/virtqueue/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { connectDisk, DISK_BYTES, pattern, serveDisk } from "./support/session.ts";

guardLeaks();

/** The guard of the shape: a driver that knows nothing of formats, modes, threads. */
class SmallDriver {
  readonly #queue: ClientQueue;
  readonly #segments = new SegmentList(3);
  readonly #buffer;
  #done: { resolve: () => void; reject: (error: Error) => void } | undefined;

  constructor(client: Client, completion: RingMode) {
    this.#buffer = client.memory.allocate(32 + 4096, 64);
    this.#queue = client.createQueue({
      index: 0,
      size: 16,
      completion,
      handler: {
        done: () => this.#done?.resolve(),
        failed: (error) => this.#done?.reject(error),
      },
    });
  }

  async start(client: Client): Promise<void> {
    await client.startQueue(this.#queue);
  }

  /** Reads or writes the 4 KiB at a sector; returns the status. */
  async transfer(type: BlockRequest, sector: number): Promise<number> {
    const { bytes } = this.#buffer;
    const head = new DataView(bytes.buffer, bytes.byteOffset);
    head.setUint32(0, type, true);
    head.setBigUint64(8, BigInt(sector), true);
    bytes[16] = 0xff;
    this.#segments.clear();
    this.#segments.pushPart(this.#buffer, 0, 16);
    this.#segments.pushPart(this.#buffer, 32, 4096);
    this.#segments.pushPart(this.#buffer, 16, 1);
    const done = new Promise<void>((resolve, reject) => (this.#done = { resolve, reject }));
    assert.ok(this.#queue.add(this.#segments, type === BlockRequest.Out ? 2 : 1, 0));
    this.#queue.publish();
    await done;
    return bytes[16];
  }

  get data(): Uint8Array {
    return this.#buffer.bytes.subarray(32);
  }
}

async function writesAndReads(client: Client, completion: RingMode): Promise<void> {
  const driver = new SmallDriver(client, completion);
  await driver.start(client);
  const blocks = DISK_BYTES / 4096;
  for (let i = 0; i < 40; i += 1) {
    driver.data.set(pattern(i));
    assert.equal(await driver.transfer(BlockRequest.Out, ((i * 7) % blocks) * 8), 0);
  }
  for (let i = 0; i < 40; i += 1) {
    driver.data.fill(0);
    assert.equal(await driver.transfer(BlockRequest.In, ((i * 7) % blocks) * 8), 0);
    assert.deepEqual(Buffer.compare(driver.data, pattern(i)), 0, `block ${i}`);
  }
}

for (const packed of [false, true]) {
  for (const iommu of [false, true]) {
    for (const workers of [false, true]) {
      for (const mode of RING_MODES) {
        const where = [
          packed ? "packed" : "split",
          iommu ? "by IOVA" : "direct",
          `device by ${mode} ${workers ? "in a worker" : "on the loop"}`,
        ].join(", ");
        test(`the same driver runs unchanged by event, poll and hybrid: ${where}`, async (t) => {
          const rings = { workers, mode };
          const served = await serveDisk(t, (options) => ({ ...options, iommu, rings }));
          for (const completion of RING_MODES) {
            for (const inOrder of [false, true]) {
              const client = await connectDisk(t, served, { packed, iommu, inOrder });
              const { features } = client;
              assert.equal((features & VirtioFeature.AccessPlatform) !== 0n, iommu);
              assert.deepEqual(
                [client.ringFeatures.packed, client.ringFeatures.inOrder],
                [packed, inOrder],
              );
              await writesAndReads(client, completion);
              if (iommu) assert.ok((client.iommu?.counters.misses ?? 0) > 0);
              await client.close();
            }
          }
          assert.deepEqual(served.problems, []);
        });
      }
    }
  }
}
