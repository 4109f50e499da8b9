import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { BackendServer, type BackendOptions } from "../../../../src/endpoints/backend/index.ts";
import { BlockDevice, BlockDriver } from "../../../../src/endpoints/devices/block/index.ts";
import { Client, type ClientOptions } from "../../../../src/endpoints/frontend/index.ts";
import { ConnectError, PeerClosedError, RemoteError } from "../../../../src/core/base/index.ts";
import {
  echoDevice,
  NET_DRIVER_FEATURES,
  type NetDevice,
  NetDriver,
} from "../../../../src/endpoints/devices/net/index.ts";
import { applyFaults, parseFault } from "../../../../src/lab/faults/index.ts";
import { ProtocolFeature, VirtioFeature } from "../../../../src/core/protocol/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { connectDisk, pattern, type Served, serveDisk } from "../../support/session.ts";
import { until } from "../../../support/until.ts";

guardLeaks();

/** A second back-end on the disk of the first. */
async function serveAgain(
  t: TestContext,
  { storage }: Served,
  change: (options: BackendOptions) => BackendOptions = (options) => options,
): Promise<string> {
  const path = join(temporaryFolder(t), "destination.sock");
  const server = await BackendServer.listen(
    path,
    change({ device: () => new BlockDevice({ storage, queues: 2 }) }),
  );
  t.after(async () => {
    server.close();
    await until(() => server.sessions.size === 0, "the sessions to end");
  });
  return path;
}

/** Bytes of each worker's part of the disk; what is read at once. */
const SHARE = 65_536;

/** Writes, reads back and compares all the time, until it is stopped. */
function work(driver: BlockDriver): { stop: () => Promise<number> } {
  let going = true;
  let rounds = 0;
  const worker = async (id: number): Promise<void> => {
    for (let i = 0; going; i += 1) {
      const at = (i % 16) * 4096;
      const data = pattern(id * 1000 + i);
      await driver.write(id * SHARE + at, data);
      const read = await driver.read(id * SHARE, SHARE);
      assert.deepEqual(read.subarray(at, at + 4096), data, `worker ${id}, round ${i}`);
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

async function start(
  t: TestContext,
  served: Served,
  options: ClientOptions = {},
): Promise<{ client: Client; driver: BlockDriver }> {
  const client = await connectDisk(t, served, { memory: { size: 4 << 20 }, ...options });
  const driver = await BlockDriver.start(client, { queues: 2, depth: 4, transferBytes: SHARE });
  return { client, driver };
}

for (const workers of [false, true]) {
  for (const packed of [false, true]) {
    for (const reconnect of [undefined, {}]) {
      const name = `${packed ? "packed" : "split"} rings ${workers ? "in workers" : "on the loop"}${reconnect ? ", requests in flight tracked" : ""}`;
      test(`a session moves while it writes and reads: ${name}`, async (t) => {
        const rings = { workers };
        const served = await serveDisk(t, (options) => ({ ...options, rings }), 2);
        const destination = await serveAgain(t, served, (options) => ({ ...options, rings }));
        const { client, driver } = await start(t, served, { packed, reconnect });
        const job = work(driver);
        await driver.flush();
        const report = await client.migrate(destination, { compare: true });
        assert.deepEqual(report.missedPages, []);
        assert.ok(report.rounds.length >= 2);
        assert.equal(report.rounds[0]?.pages, 1024);
        assert.ok(report.rounds.slice(1).some(({ byDevice }) => byDevice > 0));
        await until(() => served.server.sessions.size === 0, "the source's session to end");
        for (let i = 0; i < 8; i += 1) await driver.flush();
        assert.ok((await job.stop()) > 8);
        const back = await client.migrate(served.path, { compare: true });
        assert.deepEqual(back.missedPages, []);
        await driver.write(4 * SHARE, pattern(7));
        assert.deepEqual(await driver.read(4 * SHARE, 4096), pattern(7));
        assert.deepEqual(served.problems, []);
      });
    }
  }
}

for (const fault of ["log-nothing", "log-rings-only"]) {
  test(`pages missing from the dirty log are found: ${fault}`, async (t) => {
    const served = await serveDisk(t, (options) => applyFaults([parseFault(fault)], options), 2);
    const destination = await serveAgain(t, served);
    const { client, driver } = await start(t, served);
    work(driver);
    await driver.flush();
    const { missedPages = [] } = await client.migrate(destination, {
      compare: true,
      stopAtPages: 0,
    });
    assert.ok(missedPages.length > 0);
  });
}

test("a source that cannot log is refused, and goes on", async (t) => {
  const without = { protocol: ProtocolFeature.LogShmfd };
  const served = await serveDisk(t, (options) => ({ ...options, without }), 2);
  const destination = await serveAgain(t, served);
  const { client, driver } = await start(t, served);
  await assert.rejects(
    client.migrate(destination),
    /have it offer VHOST_USER_PROTOCOL_F_LOG_SHMFD/,
  );
  await driver.write(0, pattern(1));
  assert.deepEqual(await driver.read(0, 4096), pattern(1));
});

test("a destination without what the session uses is refused, and the source goes on", async (t) => {
  const served = await serveDisk(t, undefined, 2);
  const without = { virtio: VirtioFeature.EventIdx };
  const destination = await serveAgain(t, served, (options) => ({ ...options, without }));
  const { client, driver } = await start(t, served);
  await assert.rejects(
    client.migrate(destination),
    /does not offer what the session uses: VIRTIO_RING_F_EVENT_IDX;/,
  );
  await driver.write(0, pattern(1));
  assert.deepEqual(await driver.read(0, 4096), pattern(1));
});

test("a destination that is not there, and an abort, leave the session as it was", async (t) => {
  const served = await serveDisk(t, undefined, 2);
  const destination = await serveAgain(t, served);
  const { client, driver } = await start(t, served);
  await assert.rejects(client.migrate(`${destination}.not`), ConnectError);
  const reason = new Error("no longer wanted");
  await assert.rejects(client.migrate(destination, { signal: AbortSignal.abort(reason) }), reason);
  await driver.write(0, pattern(1));
  assert.deepEqual(await driver.read(0, 4096), pattern(1));
});

/** What a destination does wrong after the rings of the source were stopped. */
const failures = [
  ["its rings do not start", "refuse@SET_VRING_KICK:2", RemoteError],
  ["it goes away before its rings start", "close-before-reply@SET_VRING_NUM:2", PeerClosedError],
  ["it cannot load the state", "refuse@SET_DEVICE_STATE_FD", PeerClosedError],
] as const;

for (const [what, fault, expected] of failures) {
  test(`the source goes on where it stood when the destination fails: ${what}`, async (t) => {
    const served = await serveDisk(t, undefined, 2);
    const destination = await serveAgain(t, served, (options) =>
      applyFaults([parseFault(fault)], options),
    );
    const { client, driver } = await start(t, served);
    const job = work(driver);
    await driver.flush();
    await assert.rejects(client.migrate(destination), expected);
    for (let i = 0; i < 8; i += 1) await driver.flush();
    assert.ok((await job.stop()) > 0);
  });
}

for (const mergeable of [true, false]) {
  test(`a network session moves while frames pass (${mergeable ? "mergeable" : "whole"} buffers)`, async (t) => {
    const serveEcho = async (): Promise<string> => {
      const path = join(temporaryFolder(t), "net.sock");
      const device = (): NetDevice => echoDevice({ mergeable });
      const server = await BackendServer.listen(path, { device });
      t.after(async () => {
        server.close();
        await until(() => server.sessions.size === 0, "the sessions to end");
      });
      return path;
    };
    const [source, destination] = [await serveEcho(), await serveEcho()];
    const client = await Client.connect(source, {
      deviceFeatures: NET_DRIVER_FEATURES,
      memory: { size: 4 << 20 },
    });
    t.after(() => client.close());
    let frames = 0;
    let odd = 0;
    const driver = await NetDriver.start(client, {
      onFrame: (frame) => {
        frames += 1;
        if (frame.some((byte, i) => i >= 14 && byte !== frame[14])) odd += 1;
      },
    });
    let going = true;
    const sending = (async () => {
      for (let i = 0; going; i += 1) {
        while (!driver.send(new Uint8Array(60 + ((i * 131) % 1400)).fill(i))) await driver.room(0);
        await setImmediate();
      }
    })();
    await until(() => frames > 100, "frames before");
    const { missedPages, rounds } = await client.migrate(destination, { compare: true });
    assert.deepEqual(missedPages, []);
    assert.ok(rounds.some(({ byDevice }) => byDevice > 0));
    const before = frames;
    await until(() => frames > before + 100, "frames after");
    going = false;
    await sending;
    assert.equal(odd, 0);
  });
}
