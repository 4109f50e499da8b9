import assert from "node:assert/strict";
import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BlockDevice } from "../../../../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../../../../src/endpoints/storage/index.ts";
import { runBlockBench } from "../../../../../src/lab/kits/block/workloads/index.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";
import { temporaryFolder } from "../../../support/folder.ts";
import { connectDisk, serveDisk } from "../../../support/session.ts";

guardLeaks();

const MIB = 1 << 20;

test("a measurement goes on as its disk grows, and ends as it gets smaller than what is measured", async (t) => {
  const path = join(temporaryFolder(t), "disk.img");
  writeFileSync(path, new Uint8Array(MIB));
  const storage = BlockStorage.open(path);
  t.after(() => storage.close());
  const served = await serveDisk(t, (options) => ({
    ...options,
    device: () => new BlockDevice({ storage }),
  }));
  const resize = (size: number): void => {
    truncateSync(path, size);
    storage.refresh();
  };
  let started = false;
  const { failure, requests } = await runBlockBench({
    connect: async (more) => connectDisk(t, served, more),
    workload: "read",
    readPercent: 100,
    blockBytes: 4096,
    depth: 1,
    queues: 1,
    threads: 1,
    ringMode: "event",
    warmUpMs: 0,
    // It reads from the beginning on, and is far from the end when the disk shrinks.
    rate: 20,
    durationMs: 30_000,
    seed: 1,
    verify: false,
    overwrite: false,
    onProgress: ({ completed }) => {
      if (completed > 0 && !started) resize(2 * MIB);
      else if (completed > 4) resize(MIB / 2);
      started ||= completed > 0;
    },
  });
  assert.ok(failure instanceof Error);
  assert.match(failure.message, /shrank to 524288 bytes, and 1048576 of it are measured/);
  assert.ok(requests > 4);
});
