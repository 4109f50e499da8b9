import assert from "node:assert/strict";
import { readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { BackendServer } from "../../../../src/endpoints/backend/index.ts";
import {
  BlockDevice,
  BlockDriver,
  BLOCK_DRIVER_FEATURES,
} from "../../../../src/endpoints/devices/block/index.ts";
import { Client } from "../../../../src/endpoints/frontend/index.ts";
import { createPipe } from "../../../../src/core/os/index.ts";
import { BlockStorage } from "../../../../src/endpoints/storage/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { until } from "../../../support/until.ts";
import { uringSkip } from "../../../support/uring.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { provesWell, SMALL } from "../../support/session.ts";

guardLeaks();

const skip = uringSkip();

/**
 * A disk whose reads stay in the kernel until the test answers them: it is a pipe. Another disk is
 * served beside it.
 */
async function serveStuck(t: TestContext, workers: boolean, timeoutMs = 30_000) {
  const { read: from, write: to } = createPipe();
  const storage = BlockStorage.borrow(from.fd, 1 << 20, {
    readOnly: true,
    isNull: false,
    direct: true,
  });
  const healthy = BlockStorage.memory(1 << 20);
  const problems: Error[] = [];
  const devices: BlockDevice[] = [];
  const folder = temporaryFolder(t);
  const listen = async (name: string, disk: BlockStorage): Promise<BackendServer> =>
    BackendServer.listen(join(folder, name), {
      device: () => {
        const device = new BlockDevice({ storage: disk, queues: 1, engine: "uring" });
        if (disk === storage) devices.push(device);
        return device;
      },
      rings: { workers },
      onProblem: (problem) => problems.push(problem),
    });
  const server = await listen("stuck.sock", storage);
  const beside = await listen("disk.sock", healthy);
  t.after(async () => {
    server.close();
    beside.close();
    await until(() => server.sessions.size + beside.sessions.size === 0, "the sessions to end");
    for (const each of [from, to, storage, healthy]) each.close();
  });
  const client = await Client.connect(join(folder, "stuck.sock"), {
    deviceFeatures: BLOCK_DRIVER_FEATURES,
    memory: { size: 1 << 20 },
    timeoutMs,
  });
  t.after(() => client.close());
  const driver = await BlockDriver.start(client, SMALL);
  /** Starts a read, and waits until the back-end has taken it. */
  const startRead = async (): Promise<{ readonly data: Promise<Uint8Array> }> => {
    const data = driver.read(0, 4096, { timeoutMs: 30_000 });
    data.catch(() => undefined);
    await until(() => devices.some(({ requests }) => requests === 1), "the read to be taken");
    return { data };
  };
  return {
    server,
    client,
    startRead,
    problems,
    beside: { path: join(folder, "disk.sock") },
    answer: (byte: number) => writeSync(to.fd, new Uint8Array(4096).fill(byte)),
  };
}

/** Mappings of files in memory in this process, but those of engines. */
function mappings(): string[] {
  return readFileSync("/proc/self/maps", "utf8")
    .split("\n")
    .filter((line) => line.includes("memfd:") && !line.includes("vhost-user-iovec"));
}

for (const workers of [true, false]) {
  const place = workers ? "in a worker" : "on the event loop";

  test(`a ring ${place} stops once the kernel has completed its requests`, { skip }, async (t) => {
    const { client, startRead, beside, answer, problems } = await serveStuck(t, workers);
    const { data } = await startRead();
    let isStopped = false;
    const stopped = client.requests.getVringBase(0, { timeoutMs: 30_000 }).then((base) => {
      isStopped = true;
      return base;
    });
    await provesWell(beside);
    await until(() => problems.length > 0, "the report of the ring");
    assert.match(
      problems[0]?.message ?? "",
      /ring 0 is to stop and has waited for 1 s for a read of sector 0,/,
    );
    assert.equal(isStopped, false);
    answer(0x5a);
    assert.equal(await stopped, 1);
    assert.deepEqual(await data, new Uint8Array(4096).fill(0x5a));
    assert.equal(problems.length, 1);
  });

  test(`memory stays mapped ${place} until the kernel is through with it`, { skip }, async (t) => {
    const { server, client, startRead, beside, answer } = await serveStuck(t, workers, 1000);
    await startRead();
    const before = mappings();
    await client.close();
    await provesWell(beside);
    const [session] = server.sessions;
    assert.ok(session, "the session waits for the kernel");
    const left = (): string[] => mappings().filter((line) => before.includes(line));
    assert.notDeepEqual(left(), [], "the client has closed, and the back-end keeps the memory");
    answer(0xa5);
    await until(() => left().length === 0, "the memory to be unmapped");
    assert.equal(server.sessions.size, 0);
  });
}
