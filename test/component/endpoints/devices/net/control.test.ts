import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { BackendServer } from "../../../../../src/endpoints/backend/index.ts";
import { DeviceError, UsageError } from "../../../../../src/core/base/index.ts";
import {
  NET_CONTROL_FEATURES,
  NET_DRIVER_FEATURES,
  NetDevice,
  type NetDeviceOptions,
  NetDriver,
  readNetConfig,
  ReceiveMode,
} from "../../../../../src/endpoints/devices/net/index.ts";
import { Client, type ClientOptions } from "../../../../../src/endpoints/frontend/index.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";
import { temporaryFolder } from "../../../support/folder.ts";
import { segmentsOf } from "../../../support/rings.ts";
import { capability } from "../../../../support/capability.ts";
import { until } from "../../../../support/until.ts";

guardLeaks();

const MAC = "52:54:00:11:22:33";
const OTHER = "52:54:00:aa:bb:cc";
const GROUP = "01:00:5e:00:00:fb";
const BROADCAST = "ff:ff:ff:ff:ff:ff";

async function makeNet(
  t: TestContext,
  options: NetDeviceOptions = {},
  clientOptions: ClientOptions = {},
) {
  const problems: string[] = [];
  const path = join(temporaryFolder(t), "net.sock");
  const net = new NetDevice({ control: { mac: MAC }, ...options });
  const server = await BackendServer.listen(path, {
    device: () => net,
    onProblem: ({ message }) => problems.push(message),
  });
  t.after(async () => {
    server.close();
    await until(() => server.sessions.size === 0, "the session to end");
  });
  const client = await Client.connect(path, {
    deviceFeatures: NET_DRIVER_FEATURES | NET_CONTROL_FEATURES,
    memory: { size: 8 << 20 },
    ...clientOptions,
  });
  t.after(() => client.close());
  return { net, client, problems };
}

function frameTo(mac: string): Uint8Array {
  const frame = new Uint8Array(60);
  frame.set(mac.split(":").map((byte) => Number.parseInt(byte, 16)));
  return frame;
}

for (const packed of [false, true]) {
  const format = packed ? "packed" : "split";

  test(`the control queue selects the frames that are received (${format})`, async (t) => {
    const { net, client, problems } = await makeNet(t, {}, { packed });
    assert.deepEqual(await readNetConfig(client), { mac: MAC, linkUp: true, maxQueuePairs: 1 });
    const got: number[] = [];
    const driver = await NetDriver.start(client, {
      control: true,
      onFrame: (frame) => got.push(frame[0] ?? -1),
    });
    const { control } = driver;
    assert.ok(control);
    const passing = (): string[] =>
      [MAC, OTHER, GROUP, BROADCAST].filter((mac) => net.send(frameTo(mac)));
    assert.deepEqual(passing(), [MAC, OTHER, GROUP, BROADCAST], "all, by default");
    await control.setReceiveMode(ReceiveMode.Promiscuous, false);
    assert.deepEqual(passing(), [MAC, BROADCAST]);
    await control.setReceiveMode(ReceiveMode.AllMulticast, true);
    assert.deepEqual(passing(), [MAC, GROUP, BROADCAST]);
    await control.setReceiveMode(ReceiveMode.NoMulticast, true);
    assert.deepEqual(passing(), [MAC, BROADCAST]);
    await control.setReceiveMode(ReceiveMode.NoMulticast, false);
    await control.setReceiveMode(ReceiveMode.AllMulticast, false);
    await control.setMacTables([OTHER], [GROUP]);
    assert.deepEqual(passing(), [MAC, OTHER, GROUP, BROADCAST]);
    await control.setMacTables([], []);
    await control.setReceiveMode(ReceiveMode.NoBroadcast, true);
    assert.deepEqual(passing(), [MAC]);
    await control.setMac(OTHER);
    assert.deepEqual(passing(), [OTHER]);
    assert.equal((await readNetConfig(client)).mac, OTHER);
    await control.setReceiveMode(ReceiveMode.AllUnicast, true);
    assert.deepEqual(passing(), [MAC, OTHER]);
    await control.setReceiveMode(ReceiveMode.NoUnicast, true);
    assert.deepEqual(passing(), []);
    // More than a filter keeps: everything of that kind passes, as it may.
    await control.setReceiveMode(ReceiveMode.NoUnicast, false);
    await control.setReceiveMode(ReceiveMode.AllUnicast, false);
    await control.setMacTables(Array(65).fill(BROADCAST) as string[], []);
    assert.deepEqual(passing(), [MAC, OTHER]);
    await until(() => got.length === net.counters.rxFrames, "all frames");
    assert.equal(net.counters.rxFrames + net.counters.rxFiltered, 10 * 4);
    assert.deepEqual(problems, []);
  });

  test(`the control queue sets the pairs that frames come on (${format})`, async (t) => {
    const { net, client, problems } = await makeNet(t, { queuePairs: 4 }, { packed });
    const pairs: number[] = [];
    const driver = await NetDriver.start(client, {
      queuePairs: 4,
      control: true,
      onFrame: (_frame, pair) => pairs.push(pair),
    });
    const seen = async (): Promise<number[]> => {
      pairs.length = 0;
      for (let pair = 0; pair < 4; pair += 1) assert.ok(net.send(frameTo(MAC), pair));
      await until(() => pairs.length === 4, "four frames");
      return pairs.toSorted((a, b) => a - b);
    };
    assert.deepEqual(await seen(), [0, 1, 2, 3], "the driver asked for all of its pairs");
    await driver.control?.setQueuePairs(2);
    assert.deepEqual(await seen(), [0, 0, 1, 1]);
    for (const wrong of [0, 5, 0x8000])
      await assert.rejects(driver.control?.setQueuePairs(wrong) ?? assert.fail(), DeviceError);
    assert.deepEqual(await seen(), [0, 0, 1, 1], "what was refused changed nothing");
    assert.equal((await readNetConfig(client)).maxQueuePairs, 4);
    assert.deepEqual(problems, []);
  });
}

test("commands that are none are answered with an error, and harm nothing", async (t) => {
  const { client, problems } = await makeNet(t, { queuePairs: 2 });
  const { memory } = client;
  const answers: number[] = [];
  let completed: () => void = () => undefined;
  const queue = client.createQueue({
    index: 4,
    size: 8,
    ringMode: "event",
    handler: { done: () => completed(), failed: () => undefined },
  });
  await client.startQueue(queue);
  const buffer = memory.allocate(8192);
  const { guestAddress: at, bytes } = buffer;
  const command = async (...data: readonly number[]): Promise<void> => {
    bytes.set(data);
    bytes[8191] = 0xff;
    const done = new Promise<void>((resolve) => (completed = resolve));
    // The command in single bytes, as framing is free.
    const readable: (readonly [number, number])[] = data.slice(0, 4).map((_, i) => [at + i, 1]);
    if (data.length > 4) readable.push([at + 4, data.length - 4]);
    queue.add(segmentsOf(...readable, [at + 8191, 1]), readable.length, 0);
    queue.publish();
    await done;
    answers.push(bytes[8191] ?? -1);
  };
  await command();
  await command(0);
  await command(0, 0);
  await command(0, 6, 1);
  await command(0, 0, 1, 1);
  await command(1, 1, 1, 2, 3, 4, 5);
  await command(1, 2, 1, 2, 3, 4, 5, 6);
  await command(1, 0);
  await command(1, 0, 1, 0, 0, 0);
  await command(1, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0);
  await command(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7);
  await command(4, 0, 1);
  await command(4, 1, 1, 0);
  await command(9, 0, 1);
  await command(0, 0, ...Array.from({ length: 5000 }, () => 1));
  assert.equal(answers.length, 15);
  assert.ok(
    answers.every((answer) => answer === 1),
    answers.join(),
  );
  await command(0, 0, 1);
  await command(1, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  await command(4, 0, 2, 0);
  assert.deepEqual(answers.slice(15), [0, 0, 0]);
  // Without a byte for the answer the driver would not learn the result.
  queue.add(segmentsOf([at, 3]), 1, 0);
  queue.publish();
  await until(() => problems.length > 0, "the problem");
  assert.match(problems[0] ?? "", /ring 4 is broken: .*\(VIRTIO 5\.1\.6\.5\)/);
});

test("what was set by the control queue goes along in a migration", async (t) => {
  const { net, client } = await makeNet(t, { queuePairs: 2 });
  const driver = await NetDriver.start(client, { queuePairs: 2, control: true });
  await driver.control?.setMac(OTHER);
  await driver.control?.setReceiveMode(ReceiveMode.Promiscuous, false);
  await driver.control?.setMacTables([], [GROUP]);
  const saved: Uint8Array[] = [];
  for await (const bytes of capability(net, "migration").save()) saved.push(bytes);
  const make = (queuePairs: number) => new NetDevice({ queuePairs, control: { mac: MAC } });
  const there = make(2);
  await capability(there, "migration").load(parts(saved));
  const config = new Uint8Array(12);
  capability(there, "config").read(0, config);
  assert.equal(Buffer.from(config.subarray(0, 6)).toString("hex"), OTHER.replaceAll(":", ""));
  const again: Uint8Array[] = [];
  for await (const bytes of capability(there, "migration").save()) again.push(bytes);
  assert.deepEqual(Buffer.concat(again), Buffer.concat(saved));
  await assert.rejects(
    capability(make(1), "migration").load(parts(saved)),
    /is not the state of a control queue/,
  );
  for (const [from, to] of [
    ['"activePairs":2', '"activePairs":0'],
    ["[[82,", "[[256,"],
    ["[[82,", "[[1,82,"],
    ["[1,0,94", "[0,94"],
  ] as const) {
    const text = Buffer.concat(saved).toString("latin1");
    assert.ok(text.includes(from), text);
    const wrong = Buffer.from(text.replace(from, to), "latin1");
    await assert.rejects(
      capability(make(2), "migration").load(parts([wrong])),
      Error,
      `${from} ${to}`,
    );
  }
});

async function* parts(list: readonly Uint8Array[]): AsyncIterable<Uint8Array> {
  yield* list;
}

test("a driver that does not use the control queue has all pairs and all frames", async (t) => {
  const { net, client } = await makeNet(
    t,
    { queuePairs: 2 },
    { deviceFeatures: NET_DRIVER_FEATURES },
  );
  const pairs: number[] = [];
  const driver = await NetDriver.start(client, {
    queuePairs: 2,
    onFrame: (_frame, pair) => pairs.push(pair),
  });
  assert.equal(driver.control, undefined);
  for (const pair of [0, 1]) assert.ok(net.send(frameTo(OTHER), pair));
  await until(() => pairs.length === 2, "the frames");
  assert.deepEqual(
    pairs.toSorted((a, b) => a - b),
    [0, 1],
  );
  await assert.rejects(NetDriver.start(client, { control: true }), UsageError);
});

test("with one pair in use of several the control queue comes behind that pair", async (t) => {
  const { net, client, problems } = await makeNet(
    t,
    { queuePairs: 3 },
    { deviceFeatures: NET_CONTROL_FEATURES },
  );
  let count = 0;
  const driver = await NetDriver.start(client, { control: true, onFrame: () => (count += 1) });
  await driver.control?.setReceiveMode(ReceiveMode.Promiscuous, false);
  assert.equal(net.send(frameTo(OTHER)), false);
  assert.equal(net.send(frameTo(MAC), 2), true, "on the only pair that there is");
  await until(() => count === 1, "the frame");
  assert.deepEqual(problems, []);
});
