import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BackendServer } from "../../src/endpoints/backend/index.ts";
import { Deferred, delay } from "../../src/core/base/index.ts";
import {
  BLOCK_DRIVER_FEATURES,
  BlockDevice,
  BlockFeature,
} from "../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../src/endpoints/storage/index.ts";
import { Client, type ReconnectReport } from "../../src/endpoints/frontend/index.ts";
import { startStorageDaemon } from "../../src/lab/programs/index.ts";
import { ProtocolFeature } from "../../src/core/protocol/index.ts";
import { KillLoad } from "../support/kill-load.ts";
import { assertHeard, listen } from "../coverage/heard.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { diskImage, needsProgram, temporaryDirectory } from "./support/index.ts";

guardLeaks();

const KILLS = 50;
const TAKEOVERS = 20;
const BLOCKS = 512;

test(
  "qemu-storage-daemon is killed under our client, which makes everything available again",
  { skip: needsProgram("qemu-storage-daemon") },
  async (t) => {
    const directory = temporaryDirectory(t);
    const imagePath = diskImage(directory, BLOCKS * 4096);
    const socketPath = join(directory, "disk.sock");
    let daemon = await startStorageDaemon({ socketPath, imagePath });
    t.after(() => daemon.kill());
    const reports: ReconnectReport[] = [];
    await using client = await Client.connect(socketPath, {
      deviceFeatures: BLOCK_DRIVER_FEATURES,
      memory: { size: 1 << 20 },
      timeoutMs: 20_000,
      reconnect: { deadlineMs: 60_000, onReconnect: (report) => reports.push(report) },
    });
    // Version 7.2 notes nothing in flight: its own protocol features lack the bit.
    assert.equal(client.protocolFeatures & ProtocolFeature.InflightShmfd, 0n);
    const load = await KillLoad.start(client, {
      blocks: BLOCKS,
      depth: 16,
      ringMode: "event",
      seed: Date.now() & 0x7fff_ffff,
    });
    for (let kill = 0; kill < KILLS && load.failure === undefined; kill += 1) {
      await load.progress();
      // The random instant is what is tested: time is waited for, and nothing depends on it.
      await delay(Math.random() * 50);
      await daemon.kill();
      daemon = await startStorageDaemon({ socketPath, imagePath });
    }
    await load.finish();
    await client.close();
    await daemon.stop();
    load.expectOn(readFileSync(imagePath));
    assert.ok(reports.length > 0 && reports.every(({ replayedBy }) => replayedBy === "client"));
    t.diagnostic(
      `${KILLS} kills, ${client.reconnects} reconnects, ${load.completed} requests completed, ` +
        `${client.replayed} made available again`,
    );
  },
);

/**
 * libvhost-user, which the daemon is built on, does not offer to note what is in flight, and yet
 * does so for a front-end that acknowledges the feature: a region that QEMU's code has written.
 */
test(
  "our back-end takes over from a killed qemu-storage-daemon, by its in-flight region",
  { skip: needsProgram("qemu-storage-daemon") },
  async (t) => {
    const directory = temporaryDirectory(t);
    const socketPath = join(directory, "disk.sock");
    let completed = 0;
    let inFlight = 0;
    let outstanding = 0;
    const heard = listen();
    for (let round = 0; round < TAKEOVERS; round += 1) {
      const imagePath = diskImage(directory, BLOCKS * 4096);
      const daemon = await startStorageDaemon({ socketPath, imagePath });
      const storage = BlockStorage.open(imagePath);
      const problems: Error[] = [];
      let server: BackendServer | undefined;
      const back = new Deferred<ReconnectReport>({ timeoutMs: 60_000 });
      const client = await Client.connect(socketPath, {
        deviceFeatures: BLOCK_DRIVER_FEATURES,
        without: { virtio: BlockFeature.SizeMax },
        memory: { size: 1 << 20 },
        timeoutMs: 20_000,
        observe: heard.observe,
        reconnect: { onReconnect: (report) => back.resolve(report) },
      });
      try {
        const { requests } = client;
        await requests.setProtocolFeatures(client.protocolFeatures | ProtocolFeature.InflightShmfd);
        const seed = (Date.now() + round) & 0x7fff_ffff;
        const options = { blocks: BLOCKS, depth: 16, ringMode: "event", seed } as const;
        const load = await KillLoad.start(client, options);
        await load.progress();
        await delay(Math.random() * 30);
        if (round === 0) assertHeard("client", "qemu-storage-daemon 7.2, in flight", heard);
        await daemon.kill();
        server = await BackendServer.listen(socketPath, {
          device: () => new BlockDevice({ storage }),
          onProblem: (problem) => problems.push(problem),
        });
        const { queues, replayedBy } = await back.promise;
        await load.progress();
        await load.finish();
        await client.close();
        load.expectOn(readFileSync(imagePath));
        assert.equal(replayedBy, "back-end");
        assert.deepEqual(problems, []);
        completed += load.completed;
        inFlight += queues[0]?.inFlight ?? 0;
        outstanding += queues[0]?.outstanding ?? 0;
      } finally {
        await client.close();
        server?.close();
        await daemon.kill();
        storage.close();
        rmSync(imagePath);
      }
    }
    t.diagnostic(
      `${TAKEOVERS} take-overs, ${completed} requests completed, ${outstanding} were out, ` +
        `${inFlight} of them tracked as in flight by libvhost-user`,
    );
    assert.ok(inFlight > 0);
  },
);
