/** GET_CONFIG as front-ends ask it: more than there is, from where there is nothing, less than was asked. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  type BackendOptions,
  BackendServer,
  type Device,
} from "../../../../src/endpoints/backend/index.ts";
import { BlockDevice, BlockDriver } from "../../../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../../../src/endpoints/storage/index.ts";
import { CryptoDevice } from "../../../../src/endpoints/devices/crypto/index.ts";
import {
  decodeFsConfig,
  FsDevice,
  SharedFolder,
} from "../../../../src/endpoints/devices/fs/index.ts";
import { NetDevice, readNetConfig } from "../../../../src/endpoints/devices/net/index.ts";
import { Client } from "../../../../src/endpoints/frontend/index.ts";
import { type Config, FrontendRequest } from "../../../../src/core/protocol/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { SMALL } from "../../support/session.ts";
import { shortConfig } from "../../support/short-config.ts";
import { capability } from "../../../support/capability.ts";
import { until } from "../../../support/until.ts";

guardLeaks();

const devices: Readonly<Record<string, (t: TestContext) => Device>> = {
  block: (t) => {
    const storage = BlockStorage.memory(1 << 20);
    t.after(() => storage.close());
    return new BlockDevice({ storage });
  },
  net: () => new NetDevice({ control: { mac: "52:54:00:12:34:56" } }),
  fs: (t) => {
    const path = join(temporaryFolder(t), "shared");
    mkdirSync(path);
    const folder = SharedFolder.open(path);
    t.after(() => folder.close());
    return new FsDevice({ folder, tag: "files" });
  },
  crypto: () => new CryptoDevice(),
};

async function connect(
  t: TestContext,
  make: (t: TestContext) => Device,
  options: Partial<BackendOptions> = {},
) {
  const problems: Error[] = [];
  const path = join(temporaryFolder(t), "s");
  const server = await BackendServer.listen(path, {
    device: () => make(t),
    onProblem: (problem) => problems.push(problem),
    ...options,
  });
  const client = await Client.connect(path, { memory: { size: 1 << 20 } });
  t.after(async () => {
    await client.close();
    server.close();
    await until(() => server.sessions.size === 0, "the session to end");
  });
  const ask = async (offset: number, size: number, flags = 0): Promise<Config | undefined> =>
    client.requests.call(FrontendRequest.GetConfig, { offset, flags, data: new Uint8Array(size) });
  return { client, problems, ask };
}

for (const [name, make] of Object.entries(devices)) {
  test(`GET_CONFIG for more than a ${name} device has is answered with zeroes behind its fields`, async (t) => {
    const { problems, ask } = await connect(t, make);
    const { size } = capability(make(t), "config");
    const front = (await ask(0, size))?.data;
    assert.ok(front?.some((byte) => byte !== 0) === true && front !== undefined);
    const whole = Buffer.alloc(256);
    whole.set(front);
    assert.deepEqual((await ask(0, 256))?.data, new Uint8Array(whole));
    const part = (await ask(size - 4, 100))?.data;
    assert.deepEqual(part, new Uint8Array(whole.subarray(size - 4, size + 96)));
    assert.deepEqual((await ask(0x200, 8))?.data, new Uint8Array(8));
    assert.equal(problems.length, 0);
    // A range that leaves the field is none; the refusal is reported.
    assert.equal(await ask(0xffff_fff0, 0x20), undefined);
    assert.equal(problems.length, 1);
    assert.match(problems[0]?.message ?? "", /32 bytes at 4294967280 .* are refused/);
  });

  test(`GET_CONFIG of a ${name} device at offset 0x100 with flags 1 means its start, reported once`, async (t) => {
    const { problems, ask } = await connect(t, make);
    const front = await ask(0, 8);
    for (let i = 0; i < 2; i += 1)
      assert.deepEqual(await ask(0x100, 8, 1), { ...front, offset: 0x100, flags: 1 });
    assert.equal(problems.length, 1);
    assert.match(problems[0]?.message ?? "", /GET_CONFIG at offset 0x100.*Cloud Hypervisor/);
    const strict = await connect(t, make, { strictness: "strict" });
    assert.equal(await strict.ask(0x100, 8, 1), undefined);
    assert.match(strict.problems[0]?.message ?? "", /GET_CONFIG at offset 0x100/);
  });
}

test("the right 44 bytes of a file system device are given", async (t) => {
  const { client } = await connect(t, devices["fs"] ?? assert.fail());
  const { tag, notifyBufSize } = decodeFsConfig(await client.requests.getConfig(0, 44));
  assert.deepEqual([tag, notifyBufSize], ["files", 0]);
});

for (const size of [36, 24, 8]) {
  test(`the block driver takes a configuration space of ${size} bytes`, async (t) => {
    const { client } = await connect(t, devices["block"] ?? assert.fail(), shortConfig(size));
    const driver = await BlockDriver.start(client, SMALL);
    assert.equal(driver.config.capacity, 2048n);
    assert.equal(driver.config.numQueues, size >= 36 ? 256 : 0);
  });
}

test("the net driver takes a configuration space with an address alone", async (t) => {
  const { client } = await connect(t, devices["net"] ?? assert.fail(), shortConfig(6));
  assert.deepEqual(await readNetConfig(client), {
    mac: "52:54:00:12:34:56",
    linkUp: true,
    maxQueuePairs: 1,
  });
});
