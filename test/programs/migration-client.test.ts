import assert from "node:assert/strict";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import {
  BLOCK_DRIVER_FEATURES,
  BlockDriver,
  BlockFeature,
} from "../../src/endpoints/devices/block/index.ts";
import { NET_DRIVER_FEATURES, NetDriver } from "../../src/endpoints/devices/net/index.ts";
import { Client, type MigrationReport } from "../../src/endpoints/frontend/index.ts";
import { startStorageDaemon, Testpmd } from "../../src/lab/programs/index.ts";
import { VirtioFeature } from "../../src/core/protocol/index.ts";
import { Workspace } from "../integration/support/index.ts";
import { assertHeard, listen } from "../coverage/heard.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { diskImage, needsProgram, temporaryDirectory } from "./support/index.ts";
import { until } from "../support/until.ts";

guardLeaks();

const SIZE = 8 << 20;
/** Bytes of each worker's part of the disk; what is read at once. */
const SHARE = 128 << 10;

/** Writes, reads back and compares all the time, until it is stopped. */
function work(driver: BlockDriver): { stop: () => Promise<number> } {
  let going = true;
  let rounds = 0;
  const worker = async (id: number): Promise<void> => {
    const expected = Buffer.alloc(SHARE);
    for (let i = 0; going; i += 1) {
      const at = ((i * 7) % 32) * 4096;
      expected.fill(`${id}:${i};`, at, at + 4096);
      await driver.write(id * SHARE + at, expected.subarray(at, at + 4096));
      const read = await driver.read(id * SHARE, SHARE);
      assert.ok(expected.equals(read), `worker ${id}, round ${i}`);
      rounds += 1;
    }
  };
  const all = Promise.all([0, 1, 2, 3].map(worker));
  all.catch(() => undefined);
  return {
    stop: async () => {
      going = false;
      await all;
      return rounds;
    },
  };
}

/** All that changed was marked, by the source or by the driver. */
function expectComplete(t: TestContext, { missedPages, rounds, downMs }: MigrationReport): void {
  assert.deepEqual(missedPages, []);
  const marked = rounds.reduce((sum, { byDevice }) => sum + byDevice, 0);
  assert.ok(marked > 0, "the source marked nothing");
  t.diagnostic(
    `${rounds.length} rounds, ${marked} pages marked by the source, ${downMs.toFixed(1)} ms down`,
  );
}

test(
  "a session moves from qemu-storage-daemon to serve block and back while it writes and reads",
  { skip: needsProgram("qemu-storage-daemon") },
  async (t) => {
    const space = new Workspace(t);
    const imagePath = diskImage(space.folder, SIZE, new Uint8Array(SIZE));
    const socketPath = space.path("daemon.sock");
    await using _daemon = await startStorageDaemon({ socketPath, imagePath, queues: 2 });
    const ours = await space.serve(["--image", imagePath, "--queues", "2"]);
    await using client = await Client.connect(socketPath, {
      deviceFeatures: BLOCK_DRIVER_FEATURES,
      memory: { size: 32 << 20 },
      // The daemon has this one, and serve block not.
      without: { virtio: BlockFeature.SizeMax },
    });
    const driver = await BlockDriver.start(client, { queues: 2, depth: 8, transferBytes: SHARE });
    for (let at = 0; at < 4 * SHARE; at += SHARE) await driver.write(at, new Uint8Array(SHARE));
    const job = work(driver);
    await driver.flush();
    expectComplete(t, await client.migrate(ours.socket, { compare: true }));
    for (let i = 0; i < 4; i += 1) await driver.flush();
    expectComplete(t, await client.migrate(socketPath, { compare: true }));
    for (let i = 0; i < 4; i += 1) await driver.flush();
    assert.ok((await job.stop()) > 4);
  },
);

for (const packed of [false, true]) {
  test(
    `a session moves between two testpmds, which mark each page that they write (${packed ? "packed" : "split"})`,
    { skip: needsProgram("dpdk-testpmd") },
    async (t) => {
      const folder = temporaryDirectory(t);
      const start = async (name: string): Promise<[string, Testpmd]> => {
        const socketPath = join(folder, `${name}.sock`);
        const testpmd = await Testpmd.start({
          socketPath,
          role: "backend",
          queuePairs: 1,
          applicationArguments: ["--forward-mode=txonly"],
        });
        return [socketPath, testpmd];
      };
      const [from, source] = await start("source");
      await using _source = source;
      const [to, destination] = await start("destination");
      await using _destination = destination;
      const heard = listen();
      await using client = await Client.connect(from, {
        deviceFeatures: NET_DRIVER_FEATURES,
        packed,
        observe: heard.observe,
        memory: { size: 32 << 20 },
      });
      assert.equal((client.features & VirtioFeature.RingPacked) !== 0n, packed);
      const driver = await NetDriver.start(client, { queuePairs: 1, ringMode: "event" });
      await source.command("start");
      await destination.command("start");
      await until(() => driver.counters.rxFrames > 1000, "frames of the source");
      expectComplete(t, await client.migrate(to, { compare: true, stopAtPages: 0 }));
      const before = driver.counters.rxFrames;
      await until(() => driver.counters.rxFrames > before + 1000, "frames of the destination");
      assertHeard("client", "DPDK 22.11, migrating", heard);
      assert.equal(driver.failure, undefined);
      const { rxShort, rxOverlong, rxWrongBuffers, rxTooLong } = driver.counters;
      assert.deepEqual([rxShort, rxOverlong, rxWrongBuffers, rxTooLong], [0, 0, 0, 0]);
    },
  );
}
