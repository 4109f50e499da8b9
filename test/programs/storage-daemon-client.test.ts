import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BLOCK_DRIVER_FEATURES, BlockDriver } from "../../src/endpoints/devices/block/index.ts";
import { Client } from "../../src/endpoints/frontend/index.ts";
import { startStorageDaemon } from "../../src/lab/programs/index.ts";
import { ProtocolFeature, VirtioFeature } from "../../src/core/protocol/index.ts";
import type { RingMode } from "../../src/core/runtime/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { diskImage, needsProgram, temporaryDirectory } from "./support/index.ts";

guardLeaks();

const skip = needsProgram("qemu-storage-daemon");
const SIZE = 8 << 20;
const CHUNK = 192 << 10;

interface Shape {
  readonly name: string;
  readonly queues: number;
  readonly regions: number;
  readonly mmapOffset?: number;
  readonly ringMode: RingMode;
  readonly without?: { readonly virtio?: bigint; readonly protocol?: bigint };
}

const shapes: readonly Shape[] = [
  { name: "1 queue, 1 region", queues: 1, regions: 1, ringMode: "event" },
  { name: "2 queues, 4 memory slots", queues: 2, regions: 4, ringMode: "event" },
  { name: "4 queues, 8 memory slots, polling", queues: 4, regions: 8, ringMode: "poll" },
  {
    name: "2 queues, all of its 32 memory slots, from offsets of no whole page on",
    queues: 2,
    regions: 32,
    mmapOffset: 5 * 4096 + 192,
    ringMode: "event",
  },
  {
    name: "4 queues, 4 regions in one table",
    queues: 4,
    regions: 4,
    ringMode: "event",
    without: { protocol: ProtocolFeature.ConfigureMemSlots },
  },
  {
    name: "2 queues, flags instead of event indices",
    queues: 2,
    regions: 1,
    ringMode: "event",
    without: { virtio: VirtioFeature.EventIdx },
  },
  {
    name: "2 queues, direct descriptors, polling",
    queues: 2,
    regions: 2,
    ringMode: "poll",
    without: { virtio: VirtioFeature.IndirectDesc },
  },
  {
    name: "1 queue, neither REPLY_ACK nor a back-end channel",
    queues: 1,
    regions: 1,
    ringMode: "event",
    without: { protocol: ProtocolFeature.ReplyAck | ProtocolFeature.BackendReq },
  },
];

for (const { name, queues, regions, mmapOffset, ringMode, without } of shapes) {
  test(`qemu-storage-daemon serves our driver: ${name}`, { skip }, async (t) => {
    const directory = temporaryDirectory(t);
    const imagePath = diskImage(directory, SIZE);
    const socketPath = join(directory, "disk.sock");
    await using daemon = await startStorageDaemon({ socketPath, imagePath, queues });
    await using client = await Client.connect(socketPath, {
      deviceFeatures: BLOCK_DRIVER_FEATURES,
      memory: { size: 32 << 20, regions, mmapOffset },
      without: { virtio: without?.virtio ?? 0n, protocol: without?.protocol ?? 0n },
    });
    assert.equal(client.features & (without?.virtio ?? 0n), 0n);
    assert.equal(client.protocolFeatures & (without?.protocol ?? 0n), 0n);
    const driver = await BlockDriver.start(client, {
      queues,
      depth: 32,
      queueSize: 128,
      ringMode,
    });
    const data = randomBytes(SIZE);
    const offsets = Array.from({ length: Math.ceil(SIZE / CHUNK) }, (_, i) => i * CHUNK);
    await Promise.all(
      offsets.map(async (at) => driver.write(at, data.subarray(at, Math.min(SIZE, at + CHUNK)))),
    );
    await driver.flush();
    const back = await driver.read(0, SIZE);
    assert.ok(data.equals(back), "what was read is what was written");
    await client.close();
    await daemon.stop();
    assert.ok(data.equals(readFileSync(imagePath)), "what was written is in the image");
  });
}
