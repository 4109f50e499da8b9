import assert from "node:assert/strict";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type BackendOptions, BackendServer } from "../../../src/endpoints/backend/index.ts";
import {
  BLOCK_DRIVER_FEATURES,
  BlockDevice,
  BlockDriver,
  type BlockDriverOptions,
} from "../../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../../src/endpoints/storage/index.ts";
import { Client, type ClientOptions } from "../../../src/endpoints/frontend/index.ts";
import { settledLeaks, takeResources } from "../../support/leak-guard.ts";
import { temporaryFolder } from "./folder.ts";
import { until } from "../../support/until.ts";

/** Bytes of the disks that tests serve. */
export const DISK_BYTES = 1 << 20;

/** A back-end on a socket of its own, with a disk that all sessions share; gone after the test. */
export interface Served {
  readonly path: string;
  readonly server: BackendServer;
  readonly storage: BlockStorage;
  /** What the back-end refused so far. */
  readonly problems: Error[];
}

/** @param change wraps the options, e.g. with faults */
export async function serveDisk(
  t: TestContext,
  change: (options: BackendOptions) => BackendOptions = (options) => options,
  queues = 1,
): Promise<Served> {
  const path = join(temporaryFolder(t), "disk.sock");
  const storage = BlockStorage.memory(DISK_BYTES);
  const problems: Error[] = [];
  const server = await BackendServer.listen(
    path,
    change({
      device: () => new BlockDevice({ storage, queues }),
      onProblem: (problem) => problems.push(problem),
    }),
  );
  t.after(async () => {
    server.close();
    await until(() => server.sessions.size === 0, "the sessions to end");
    storage.close();
  });
  return { path, server, storage, problems };
}

/** A client of a served disk; closed after the test. */
export async function connectDisk(
  t: TestContext,
  { path }: Pick<Served, "path">,
  options: ClientOptions = {},
): Promise<Client> {
  const client = await Client.connect(path, {
    deviceFeatures: BLOCK_DRIVER_FEATURES,
    memory: { size: 1 << 20 },
    timeoutMs: 30_000,
    ...options,
  });
  t.after(() => client.close());
  return client;
}

/** Small: the memory of many clients has to be mapped in short time. */
export const SMALL: BlockDriverOptions = { depth: 4, transferBytes: 4096 };

/** 4 KiB that differ from those of any other seed. */
export function pattern(seed: number, length = 4096): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0, state = seed * 2654435761 + 1; i < length; i += 1) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[i] = state >>> 16;
  }
  return bytes;
}

let lastSeed = 0;

/** Writes and reads back 4 KiB through a client of its own: the back-end is well. */
export async function provesWell({ path }: Pick<Served, "path">): Promise<void> {
  const client = await Client.connect(path, {
    deviceFeatures: BLOCK_DRIVER_FEATURES,
    memory: { size: 1 << 20 },
    timeoutMs: 30_000,
  });
  try {
    const driver = await BlockDriver.start(client, SMALL);
    const data = pattern((lastSeed += 1));
    await driver.write(8192, data, { timeoutMs: 30_000 });
    assert.deepEqual(await driver.read(8192, 4096, { timeoutMs: 30_000 }), data);
  } finally {
    await client.close();
  }
}

/** Runs `hostile`, then checks that nothing of it stays and that the back-end still serves other clients. */
export async function survives(served: Served, hostile: () => Promise<void>): Promise<void> {
  const before = takeResources();
  await hostile();
  await until(() => served.server.sessions.size === 0, "the hostile sessions to end");
  await provesWell(served);
  await until(() => served.server.sessions.size === 0, "the clean session to end");
  assert.deepEqual(await settledLeaks(before), []);
}
