import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  type BackendServer as Server,
  BackendServer,
} from "../../../../../src/endpoints/backend/index.ts";
import {
  echoDevice,
  joinedDevices,
  NET_DRIVER_FEATURES,
  type NetDevice,
  NetDriver,
  NetResponder,
  NetStation,
  PcapWriter,
  readPcap,
  respondingDevice,
  sendFrames,
  sinkDevice,
  sourcePort,
} from "../../../../../src/endpoints/devices/net/index.ts";
import { Client } from "../../../../../src/endpoints/frontend/index.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";
import { temporaryFolder } from "../../../support/folder.ts";
import { frameOf } from "../../../support/net.ts";
import { until } from "../../../../support/until.ts";

guardLeaks();

/** A driver of a device that is served; both are gone after the test. */
async function drive(t: TestContext, device: NetDevice, queuePairs = 1) {
  const path = join(temporaryFolder(t), "net.sock");
  const server: Server = await BackendServer.listen(path, { device: () => device });
  t.after(async () => {
    server.close();
    await until(() => server.sessions.size === 0, "the sessions to end");
  });
  const client = await Client.connect(path, {
    deviceFeatures: NET_DRIVER_FEATURES,
    memory: { size: 4 << 20 },
  });
  t.after(() => client.close());
  const frames: { frame: Uint8Array; pair: number }[] = [];
  let hear: (frame: Uint8Array) => void = () => undefined;
  const driver = await NetDriver.start(client, {
    queueSize: 32,
    queuePairs,
    onFrame: (frame, pair) => {
      frames.push({ frame: frame.slice(), pair });
      hear(frame);
    },
  });
  return { client, driver, frames, onFrame: (handler: typeof hear) => void (hear = handler) };
}

test("an echo sends each frame back on its pair, addresses exchanged", async (t) => {
  const device = echoDevice({ queuePairs: 2 });
  const { driver, frames } = await drive(t, device, 2);
  const sent = frameOf(100);
  driver.send(sent, 1);
  await until(() => frames.length === 1, "the echo");
  const back = sent.slice();
  back.set(sent.subarray(6, 12), 0);
  back.set(sent.subarray(0, 6), 6);
  assert.deepEqual(frames, [{ frame: back, pair: 1 }]);
  // What is too short to have addresses goes nowhere.
  for (const length of [1, 6, 13]) driver.send(frameOf(length));
  await driver.flushed();
  assert.equal(device.counters.txFrames, 4);
  assert.equal(frames.length, 1);
});

test("a sink takes frames and gives none", async (t) => {
  const device = sinkDevice();
  const { driver, frames } = await drive(t, device);
  driver.send(frameOf(60));
  await driver.flushed();
  assert.deepEqual([device.counters.txFrames, device.counters.rxFrames], [1, 0]);
  assert.deepEqual(frames, []);
});

test("a source sends as many frames as wanted, pairs taking turns, and drops none", async (t) => {
  const device = sinkDevice({ queuePairs: 2 });
  const { frames } = await drive(t, device, 2);
  const sent = await sendFrames(sourcePort(device), {
    frame: (number) => frameOf(60, number),
    count: 1000,
  });
  await until(() => frames.length === 1000, "all frames");
  assert.equal(sent, 1000);
  for (const pair of [0, 1]) {
    assert.deepEqual(
      frames.filter((each) => each.pair === pair).map(({ frame }) => frame),
      Array.from({ length: 500 }, (_, i) => frameOf(60, 2 * i + pair)),
    );
  }
  assert.equal(device.counters.rxOverflow, 0);
});

test("a source sends only to the pairs that the driver uses", async (t) => {
  const device = sinkDevice({ queuePairs: 4 });
  const { frames } = await drive(t, device, 2);
  const sent = await sendFrames(sourcePort(device), {
    frame: (number) => frameOf(60, number),
    count: 1000,
  });
  await until(() => frames.length === 1000, "all frames");
  assert.equal(sent, 1000);
  const of = (pair: number): number => frames.filter((each) => each.pair === pair).length;
  assert.deepEqual([of(0), of(1)], [500, 500]);
  assert.deepEqual(
    [0, 1, 2, 3].map((pair) => device.waiting(pair)),
    [0, 0, 0, 0],
  );
});

test("what comes before the driver waits at the first pair, and a disabled pair gets no more", async (t) => {
  const device = sinkDevice({ queuePairs: 4 });
  for (const pair of [0, 1, 2, 3]) assert.ok(device.send(frameOf(60, pair), pair));
  assert.equal(device.waiting(0), 4);
  const { client, frames } = await drive(t, device, 3);
  await until(() => frames.length === 4, "what waited");
  assert.deepEqual(
    frames.map(({ pair }) => pair),
    [0, 0, 0, 0],
  );
  await until(() => device.pairFor(2) === 2, "the third pair to run");
  assert.deepEqual(
    [0, 1, 2, 3].map((pair) => device.pairFor(pair)),
    [0, 1, 2, 0],
  );
  await client.requests.setVringEnable(0, false);
  assert.deepEqual(
    [0, 1, 2, 3].map((pair) => device.pairFor(pair)),
    [1, 1, 2, 2],
  );
  assert.ok(device.send(frameOf(60, 9), 0));
  await until(() => frames.length === 5, "the frame");
  assert.equal(frames[4]?.pair, 1);
});

test("a wire brings frames of any pair to a driver that uses one", async (t) => {
  const [left, right] = joinedDevices({ queuePairs: 4 }, { queuePairs: 4 });
  const many = await drive(t, left, 4);
  const one = await drive(t, right, 1);
  for (const pair of [3, 2, 1, 0]) many.driver.send(frameOf(60, pair), pair);
  await until(() => one.frames.length === 4, "the frames");
  assert.ok(one.frames.every(({ pair }) => pair === 0));
});

test("a source keeps to its rate, and ends when it is stopped", async () => {
  const times: number[] = [];
  const ended = new AbortController();
  const port = {
    queuePairs: 1,
    isReady: () => true,
    send() {
      times.push(performance.now());
      if (times.length === 50) ended.abort();
      return true;
    },
  };
  const { signal } = ended;
  const started = performance.now();
  const sent = await sendFrames(port, { frame: () => frameOf(60), framesPerSecond: 500, signal });
  assert.equal(sent, 50);
  // 49 gaps of 2 ms; after a pause it hurries for 20 ms at most. Later is not wrong.
  assert.ok((times.at(-1) ?? 0) - started >= 75, `${(times.at(-1) ?? 0) - started} ms`);
});

test("two devices on a wire: what one driver sends, the other receives", async (t) => {
  const passed: string[] = [];
  const [left, right] = joinedDevices(
    { queuePairs: 2, tap: (frame, way) => passed.push(`left ${way} ${frame.length}`) },
    { queuePairs: 1 },
  );
  const one = await drive(t, left, 2);
  const other = await drive(t, right);
  one.driver.send(frameOf(60), 0);
  one.driver.send(frameOf(61), 1);
  await until(() => other.frames.length === 2, "frames from left to right");
  other.driver.send(frameOf(70));
  await until(() => one.frames.length === 1, "a frame from right to left");
  assert.deepEqual(one.frames, [{ frame: frameOf(70), pair: 0 }]);
  assert.deepEqual(
    other.frames.map(({ frame, pair }) => [frame.length, pair]).sort(([a = 0], [b = 0]) => a - b),
    [
      [60, 0],
      [61, 0],
    ],
  );
  assert.deepEqual(passed.toSorted(), ["left sent 60", "left sent 61"]);
});

test("a station gets an address of a responding device, through rings, and pings it", async (t) => {
  const seen: string[] = [];
  const tap = (_frame: Uint8Array, way: string): void => void seen.push(way);
  const { driver, onFrame } = await drive(t, respondingDevice(new NetResponder(), { tap }));
  const station = new NetStation("52:54:00:00:00:02", (frame) => void driver.send(frame));
  onFrame((frame) => station.receive(frame));
  const { address, server } = await station.lease(1);
  const mac = await station.resolve(address, server);
  const data = frameOf(1400);
  await station.echo(address, { mac, address: server }, { id: 1, sequence: 1, data });
  assert.deepEqual([address, server, mac], ["10.0.2.2", "10.0.2.1", "52:54:00:00:00:01"]);
  assert.equal(seen.length, 8);
});

test("a pcap file returns the frames that were written, with their times", async (t) => {
  const path = join(temporaryFolder(t), "a.pcap");
  const before = Date.now() / 1000;
  const writer = PcapWriter.create(path);
  const frames = [1, 60, 1514, 65_550].map((length) => frameOf(length));
  for (const frame of frames) writer.write(frame);
  await writer.close();
  await writer.close();
  writer.write(frameOf(60));
  const bytes = readFileSync(path);
  assert.deepEqual(
    readPcap(bytes).map((frame) => Uint8Array.from(frame)),
    frames,
  );
  assert.deepEqual([writer.frames, writer.dropped], [4, 0]);
  assert.equal(
    bytes.subarray(0, 24).toString("hex"),
    "d4c3b2a1020004000000000000000000000004000100" + "0000",
  );
  const at = bytes.readUInt32LE(24) + bytes.readUInt32LE(28) / 1e6;
  assert.ok(at >= before - 1 && at <= Date.now() / 1000 + 1, `${at}`);
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test("a pcap file that exists is left alone, unless forced", async (t) => {
  const path = join(temporaryFolder(t), "a.pcap");
  writeFileSync(path, "precious");
  assert.throws(() => PcapWriter.create(path), { code: "EEXIST" });
  assert.equal(readFileSync(path, "utf8"), "precious");
  await PcapWriter.create(path, { force: true }).close();
  assert.equal(readFileSync(path).length, 24);
});

test("files of either byte order are read; other files are refused", () => {
  const big = Buffer.alloc(24 + 16 + 2);
  big.writeUInt32BE(0xa1b23c4d, 0);
  big.writeUInt32BE(1, 20);
  big.writeUInt32BE(2, 32);
  big.set([7, 8], 40);
  assert.deepEqual(
    readPcap(big).map((frame) => [...frame]),
    [[7, 8]],
  );
  assert.throws(() => readPcap(big.subarray(0, 41)), /the file ends within the frame/);
  assert.throws(() => readPcap(big.subarray(0, 30)), /the file ends within the frame/);
  big.writeUInt32BE(113, 20);
  assert.throws(() => readPcap(big), /the link type is 113/);
  for (const bytes of [new Uint8Array(), new Uint8Array(23), new Uint8Array(24)]) {
    assert.throws(() => readPcap(bytes), /classic pcap format/);
  }
});
