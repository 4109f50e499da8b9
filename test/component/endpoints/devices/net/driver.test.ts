import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { BackendServer, type Device } from "../../../../../src/endpoints/backend/index.ts";
import { UsageError } from "../../../../../src/core/base/index.ts";
import {
  MAX_FRAME_BYTES,
  NET_DRIVER_FEATURES,
  NetDevice,
  NetDriver,
  type NetDriverOptions,
  NetFeature,
} from "../../../../../src/endpoints/devices/net/index.ts";
import { Client, type ClientOptions } from "../../../../../src/endpoints/frontend/index.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";
import { temporaryFolder } from "../../../support/folder.ts";
import { frameOf } from "../../../support/net.ts";
import { hostileCard, type Packet } from "../../../support/net-driver.ts";
import { until } from "../../../../support/until.ts";

guardLeaks();

/** Serves a device; gone after the test. */
async function serve(t: TestContext, device: Device) {
  const path = join(temporaryFolder(t), "net.sock");
  const problems: string[] = [];
  const server = await BackendServer.listen(path, {
    device: () => device,
    onProblem: (problem) => problems.push(problem.message),
  });
  t.after(async () => {
    server.close();
    await until(() => server.sessions.size === 0, "the sessions to end");
  });
  return { path, problems };
}

/** A driver and the frames that it got, as copies. */
async function drive(
  t: TestContext,
  path: string,
  options: NetDriverOptions = {},
  more: ClientOptions = {},
) {
  const deviceFeatures = NET_DRIVER_FEATURES;
  const client = await Client.connect(path, { deviceFeatures, memory: { size: 8 << 20 }, ...more });
  t.after(() => client.close());
  const frames: { frame: Uint8Array; pair: number }[] = [];
  const failures: Error[] = [];
  const driver = await NetDriver.start(client, {
    queueSize: 64,
    onFrame: (frame, pair) => frames.push({ frame: frame.slice(), pair }),
    onFailed: (error) => failures.push(error),
    ...options,
  });
  return { client, driver, frames, failures };
}

for (const packed of [false, true]) {
  for (const mergeable of [false, true]) {
    for (const ringMode of ["event", "poll"] as const) {
      const name = `${packed ? "packed" : "split"}, ${mergeable ? "" : "not "}mergeable, ${ringMode}`;
      test(`frames pass both ways, each once and in order (${name})`, async (t) => {
        const got: Uint8Array[] = [];
        const net = new NetDevice({ mergeable, onFrame: (frame) => got.push(frame) });
        const { path, problems } = await serve(t, net);
        const { client, driver, frames, failures } = await drive(
          t,
          path,
          { ringMode, queueSize: 16 },
          { packed },
        );
        assert.equal(client.ringFeatures.packed, packed);
        assert.equal((client.features & NetFeature.MrgRxbuf) !== 0n, mergeable);
        const sent = Array.from({ length: 500 }, (_, i) => frameOf(60 + i * 2, i));
        for (const frame of sent) {
          while (!driver.send(frame)) await driver.room();
        }
        await driver.flushed();
        assert.deepEqual(got, sent);
        for (const [i, frame] of sent.entries()) {
          assert.equal(net.send(frame), true);
          if (i % 100 === 99) await until(() => frames.length === i + 1, "the frames");
        }
        assert.deepEqual(
          frames.map(({ frame }) => frame),
          sent,
        );
        const bytes = sent.reduce((sum, { length }) => sum + length, 0);
        const { rxFrames, rxBytes, txFrames, txBytes } = driver.counters;
        assert.deepEqual([rxFrames, rxBytes, txFrames, txBytes], [500, bytes, 500, bytes]);
        assert.deepEqual([problems, failures], [[], []]);
      });
    }
  }
}

for (const packed of [false, true]) {
  test(`a frame is put together from as many buffers as it took (${packed ? "packed" : "split"})`, async (t) => {
    const net = new NetDevice();
    const { path } = await serve(t, net);
    const { frames } = await drive(t, path, { bufferBytes: 100, queueSize: 1024 }, { packed });
    const sent = [88, 89, 188, 189, 5000, MAX_FRAME_BYTES, 60].map((length) => frameOf(length));
    for (const frame of sent) {
      net.send(frame);
      await until(() => frames.length === sent.indexOf(frame) + 1, "the frame");
    }
    assert.deepEqual(
      frames.map(({ frame }) => frame),
      sent,
    );
  });
}

test("pairs are separate: each frame is delivered with the pair it came on", async (t) => {
  const got: number[][] = [[], [], [], []];
  const net = new NetDevice({
    queuePairs: 4,
    onFrame: (frame, pair) => got[pair]?.push(frame.length),
  });
  const { path } = await serve(t, net);
  const { driver, frames } = await drive(t, path, { queuePairs: 4 });
  for (let pair = 0; pair < 4; pair += 1) {
    assert.equal(driver.send(frameOf(60 + pair), pair), true);
    net.send(frameOf(70 + pair), pair);
  }
  await driver.flushed();
  await until(() => frames.length === 4, "the frames");
  assert.deepEqual(got, [[60], [61], [62], [63]]);
  assert.deepEqual(
    frames.map(({ frame, pair }) => [frame.length, pair]).sort(([a = 0], [b = 0]) => a - b),
    [
      [70, 0],
      [71, 1],
      [72, 2],
      [73, 3],
    ],
  );
  assert.throws(() => driver.send(frameOf(60), 4), RangeError);
});

test("a packed ring whose base comes with its low half alone, as DPDK sends it, is a fresh one", async (t) => {
  const got: Uint8Array[] = [];
  const net = new NetDevice({ onFrame: (frame) => got.push(frame) });
  const { path } = await serve(t, net);
  const client = await Client.connect(path, { packed: true, memory: { size: 4 << 20 } });
  t.after(() => client.close());
  const { requests } = client;
  const setVringBase = requests.setVringBase.bind(requests);
  requests.setVringBase = async (index, base) => setVringBase(index, base & 0xffff);
  const frames: Uint8Array[] = [];
  const onFrame = (frame: Uint8Array): void => void frames.push(frame.slice());
  const driver = await NetDriver.start(client, { queueSize: 16, onFrame });
  for (let i = 1; i <= 50; i += 1) {
    driver.send(frameOf(60, i));
    net.send(frameOf(61, i));
    await until(() => got.length === i && frames.length === i, "a frame each way");
  }
});

test("more pairs than the device has are refused, and so are impossible buffers", async (t) => {
  const { path } = await serve(t, new NetDevice({ queuePairs: 2 }));
  const client = await Client.connect(path, { deviceFeatures: NET_DRIVER_FEATURES });
  t.after(() => client.close());
  await assert.rejects(NetDriver.start(client, { queuePairs: 3 }), /queuePairs must be at most 2/);
  await assert.rejects(NetDriver.start(client, { queuePairs: 0 }), UsageError);
  for (const bufferBytes of [12, 65_563, 1500.5]) {
    await assert.rejects(NetDriver.start(client, { bufferBytes }), UsageError);
  }
});

test("a full ring says so, and has room again when the device has taken something", async (t) => {
  const card = hostileCard();
  const { path } = await serve(t, card.device);
  const { driver } = await drive(t, path, { queueSize: 8 });
  card.takesFrames = false;
  for (let i = 0; i < 8; i += 1) assert.equal(driver.send(frameOf(60)), true);
  assert.equal(driver.send(frameOf(60)), false);
  assert.deepEqual([driver.outstanding(), driver.counters.txFull], [8, 1]);
  const room = driver.room();
  card.takesFrames = true;
  card.serve();
  // A completed buffer is found at once, even before a waiting caller was woken.
  assert.equal(driver.send(frameOf(60)), true);
  await room;
  await driver.flushed();
  assert.equal(driver.outstanding(), 0);
  assert.throws(() => driver.send(new Uint8Array()), RangeError);
  assert.throws(() => driver.send(new Uint8Array(2037)), RangeError);
  assert.equal(driver.send(new Uint8Array(2036)), true);
});

test("when the connection ends, a caller that waits for room is notified once, and nothing is sent", async (t) => {
  const card = hostileCard();
  const { path } = await serve(t, card.device);
  const { driver, failures, client } = await drive(t, path, { queueSize: 8 });
  card.takesFrames = false;
  while (driver.send(frameOf(60)));
  const room = assert.rejects(driver.room(), /closed|ended|aborted/);
  await client.close();
  await room;
  assert.equal(driver.send(frameOf(60)), false);
  await assert.rejects(driver.flushed());
  assert.deepEqual(failures, [driver.failure]);
});

/** A packet that is as it should be: arrives after whatever came before it. */
const GOOD: Packet = { header: { buffers: 1 }, frame: frameOf(77) };

const hostile: readonly (readonly [name: string, counter: string, packets: Packet[]])[] = [
  ["num_buffers 0", "rxWrongBuffers", [{ header: { buffers: 0 }, frame: frameOf(60) }]],
  [
    "num_buffers above what the device has",
    "rxWrongBuffers",
    [{ header: { buffers: 17 }, frame: frameOf(60) }],
  ],
  ["num_buffers 65535", "rxWrongBuffers", [{ header: { buffers: 65_535 }, frame: frameOf(60) }]],
  ["less than a header", "rxShort", [{ ...GOOD, used: 11 }]],
  ["one byte", "rxShort", [{ ...GOOD, used: 1 }]],
  ["a header and no frame", "rxShort", [{ ...GOOD, used: 12 }]],
  ["nothing at all", "rxUnused", [{ ...GOOD, used: 0 }]],
  ["more than the buffer", "rxOverlong", [{ ...GOOD, used: 201 }]],
  ["2^32 - 1 bytes", "rxOverlong", [{ ...GOOD, used: 0xffff_ffff }]],
  [
    "more than the buffer in a further one",
    "rxOverlong",
    [
      { header: { buffers: 3 }, frame: frameOf(60) },
      { frame: frameOf(60), used: 4000 },
      { frame: frameOf(60) },
    ],
  ],
  [
    "nothing in a further buffer",
    "rxShort",
    [
      { header: { buffers: 3 }, frame: frameOf(60) },
      { frame: frameOf(60), used: 0 },
      { frame: frameOf(60) },
    ],
  ],
  ["a check sum to complete", "rxOffloads", [{ header: { flags: 1 }, frame: frameOf(60) }]],
  [
    "segments to be cut",
    "rxOffloads",
    [{ header: { gsoType: 1, buffers: 2 }, frame: frameOf(60) }, { frame: frameOf(60) }],
  ],
];
for (const packed of [false, true]) {
  for (const [name, counter, packets] of hostile) {
    test(`${name}: dropped and counted, and the next frame passes (${packed ? "packed" : "split"})`, async (t) => {
      const card = hostileCard();
      const { path } = await serve(t, card.device);
      const { driver, frames, failures } = await drive(
        t,
        path,
        { queueSize: 16, bufferBytes: 200 },
        { packed },
      );
      const before = { ...driver.counters };
      card.receive(...packets, GOOD);
      await until(() => frames.length > 0, "the good frame");
      assert.deepEqual(frames, [{ frame: frameOf(77), pair: 0 }]);
      assert.deepEqual(driver.counters, {
        ...before,
        rxFrames: 1,
        rxBytes: 77,
        [counter]: 1,
      });
      // No buffer is lost.
      for (let i = 2; i < 50; i += 1) {
        card.receive(GOOD);
        await until(() => frames.length === i, "another frame");
      }
      assert.deepEqual(failures, []);
    });
  }
}

test("more than 64 KiB in one frame are dropped, all of them, and the next frame passes", async (t) => {
  const card = hostileCard();
  const { path } = await serve(t, card.device);
  const { driver, frames } = await drive(t, path, { queueSize: 16, bufferBytes: 8192 });
  const part: Packet = { frame: frameOf(8192) };
  card.receive(
    { header: { buffers: 10 }, frame: frameOf(8180) },
    ...Array.from({ length: 9 }, () => part),
    GOOD,
  );
  await until(() => frames.length > 0, "the good frame");
  assert.deepEqual(frames, [{ frame: frameOf(77), pair: 0 }]);
  assert.equal(driver.counters.rxTooLong, 1);
});

test("without mergeable buffers num_buffers means nothing", async (t) => {
  const card = hostileCard(0n);
  const { path } = await serve(t, card.device);
  const { frames } = await drive(t, path, { queueSize: 16 });
  card.receive(
    { header: { buffers: 0 }, frame: frameOf(60) },
    { header: { buffers: 900 }, frame: frameOf(61) },
  );
  await until(() => frames.length === 2, "both");
  assert.deepEqual(
    frames.map(({ frame }) => frame.length),
    [60, 61],
  );
});

test("a frame is private: what the device writes afterwards does not show in it", async (t) => {
  const card = hostileCard();
  const { path } = await serve(t, card.device);
  const seen: number[] = [];
  await drive(t, path, {
    queueSize: 16,
    onFrame: (frame) => {
      card.scribble(0xee);
      seen.push(frame[20] ?? -1);
    },
  });
  card.receive(GOOD);
  await until(() => seen.length === 1, "the frame");
  assert.deepEqual(seen, [frameOf(77)[20]]);
});

test("a device that breaks a ring ends the driver, with the rule that it broke", async (t) => {
  const card = hostileCard();
  const { path } = await serve(t, card.device);
  const { driver, failures } = await drive(t, path, { queueSize: 16 });
  card.breakRing();
  await until(() => failures.length > 0, "the failure");
  assert.match(failures[0]?.message ?? "", /the device broke the rules of queue 0/);
  assert.equal(driver.send(frameOf(60)), false);
});
