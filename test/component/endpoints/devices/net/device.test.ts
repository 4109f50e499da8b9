import assert from "node:assert/strict";
import { test } from "node:test";
import { UsageError } from "../../../../../src/core/base/index.ts";
import {
  describeFrame,
  MAX_FRAME_BYTES,
  NetDevice,
  NetFeature,
} from "../../../../../src/endpoints/devices/net/index.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";
import {
  type Card,
  frameOf,
  makeCard,
  MERGEABLE,
  MODERN,
  packetOf,
  POISON,
} from "../../../support/net.ts";
import { capability } from "../../../../support/capability.ts";

guardLeaks();

/** A header as the driver finds it: all zero but num_buffers. */
function headerOf(buffers: number): Uint8Array {
  const header = new Uint8Array(12);
  header[10] = buffers;
  return header;
}

function assertReceived(card: Card, ...expected: readonly Uint8Array[]): void {
  assert.deepEqual(
    card.received().map(({ bytes }) => bytes),
    expected,
  );
}

const concat = (...parts: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(Buffer.concat(parts));

// Transmitting.

const cuts: readonly (readonly [name: string, features: bigint, header: number, cuts: number[]])[] =
  [
    ["header and frame in one descriptor", MODERN, 12, [112]],
    ["a header of its own", MODERN, 12, [12, 100]],
    ["a header in 12 segments", MODERN, 12, [...Array.from({ length: 12 }, () => 1), 100]],
    ["the end of the header with the frame", MODERN, 12, [7, 5 + 1, 99]],
    ["the frame in segments of odd sizes", MODERN, 12, [13, 1, 50, 3, 45]],
    ["a legacy header", 0n, 10, [10, 100]],
    ["a legacy header in two segments", 0n, 10, [3, 107]],
    ["a legacy header of a driver that merges", NetFeature.MrgRxbuf, 12, [12, 100]],
  ];
for (const [name, features, headerBytes, segments] of cuts) {
  test(`takes a frame with ${name}`, (t) => {
    const card = makeCard(t, { features });
    card.transmit(packetOf(frameOf(100), headerBytes), segments);
    assert.deepEqual(card.serveTx(), [0], "completed, nothing written");
    assert.deepEqual(card.frames, [frameOf(100)]);
    const { txFrames, txBytes } = card.net.counters;
    assert.deepEqual([txFrames, txBytes], [1, 100]);
  });
}

test("frames come in order and belong to the receiver", (t) => {
  const card = makeCard(t);
  const tokens = Array.from({ length: 10 }, (_, i) => card.transmit(packetOf(frameOf(60 + i, i))));
  assert.equal(card.serveTx().length, 10);
  // What the guest writes afterwards changes nothing.
  for (const token of tokens) card.buffer(token).fill(0);
  assert.deepEqual(
    card.frames,
    Array.from({ length: 10 }, (_, i) => frameOf(60 + i, i)),
  );
});

for (const [features, bytes, needed] of [
  [MODERN, 11, 12],
  [0n, 9, 10],
] as const) {
  test(`a packet of ${bytes} bytes is shorter than its header: the ring ends with that reason`, (t) => {
    const card = makeCard(t, { features });
    card.transmit(new Uint8Array(bytes));
    card.transmit(packetOf(frameOf(60), needed));
    assert.deepEqual(card.serveTx(), []);
    assert.deepEqual(card.tx.device.broken, {
      reason: `expected a packet with a header of ${needed} bytes, got ${bytes} bytes`,
      section: "5.1.6",
    });
    assert.deepEqual(card.frames, []);
  });
}

test("packets without a frame or with more than 64 KiB are counted, and the next one passes", (t) => {
  const card = makeCard(t);
  card.transmit(packetOf(new Uint8Array()));
  card.transmit(packetOf(frameOf(MAX_FRAME_BYTES + 1)));
  card.transmit(packetOf(frameOf(MAX_FRAME_BYTES)));
  assert.deepEqual(card.serveTx(), [0, 0, 0]);
  assert.equal(card.net.counters.txWrongSize, 2);
  assert.deepEqual(card.frames, [frameOf(MAX_FRAME_BYTES)]);
});

test("packets that rely on offloads are counted and not taken for frames", (t) => {
  const card = makeCard(t);
  const wanting = (at: number, value: number): Uint8Array => {
    const packet = packetOf(frameOf(60));
    packet[at] = value;
    return packet;
  };
  card.transmit(wanting(0, 1)); // NEEDS_CSUM
  card.transmit(wanting(1, 1)); // TCPv4 segments
  card.transmit(wanting(0, 2)); // DATA_VALID means nothing here
  assert.deepEqual(card.serveTx(), [0, 0, 0]);
  assert.equal(card.net.counters.txOffloads, 2);
  assert.equal(card.frames.length, 1);
});

test("a packet is completed before its frame is handed out", (t) => {
  let inFlight = -1;
  const card = makeCard(t, {
    onFrame: () => {
      inFlight = card.tx.device.inFlight;
    },
  });
  card.transmit(packetOf(frameOf(60)));
  card.serveTx();
  assert.equal(inFlight, 0);
});

// Receiving.

test("a frame lands in the driver's buffer behind a header that says one buffer", (t) => {
  const card = makeCard(t);
  card.supply(1526);
  card.serveRx();
  assert.equal(card.net.send(frameOf(60)), true);
  assertReceived(card, concat(headerOf(1), frameOf(60)));
  const { rxFrames, rxBytes } = card.net.counters;
  assert.deepEqual([rxFrames, rxBytes], [1, 60]);
});

test("a legacy driver gets a header of ten bytes", (t) => {
  const card = makeCard(t, { features: 0n });
  card.supply(10, 1516);
  card.serveRx();
  card.net.send(frameOf(60));
  assertReceived(card, concat(new Uint8Array(10), frameOf(60)));
});

test("nothing is written behind the frame, wherever the buffer is cut", (t) => {
  const card = makeCard(t);
  const token = card.supply(1, 10, 3, 40, 100);
  card.serveRx();
  card.net.send(frameOf(60));
  const [received] = card.received();
  assert.equal(received?.token, token);
  assert.deepEqual(received?.bytes, concat(headerOf(1), frameOf(60)));
  assert.equal(received.used, 72);
  assert.ok(
    card
      .buffer(token)
      .subarray(72, 154)
      .every((byte) => byte === POISON),
  );
});

test("frames wait for buffers, in order, as copies, and the device asks for a kick", (t) => {
  const card = makeCard(t);
  card.serveRx();
  assert.equal(capability(card.net, "scheduling").wantsChains?.(0), false);
  const frame = frameOf(60);
  assert.equal(card.net.send(frame), true);
  assert.equal(card.wakes, 1);
  frame.fill(0);
  assert.equal(card.net.send(frameOf(61)), true);
  assert.equal(card.net.waiting(), 2);
  assert.equal(capability(card.net, "scheduling").wantsChains?.(0), true);
  card.supply(1526);
  card.supply(1526);
  card.supply(1526);
  card.serveRx();
  assertReceived(card, concat(headerOf(1), frameOf(60)), concat(headerOf(1), frameOf(61)));
  assert.equal(capability(card.net, "scheduling").wantsChains?.(0), false);
  assert.equal(card.rx.device.inFlight, 0, "the third buffer stays with the driver");
});

test("a full backlog drops the newest, and counts it", (t) => {
  const card = makeCard(t, { backlogFrames: 2 });
  assert.deepEqual(
    [60, 61, 62].map((length) => card.net.send(frameOf(length))),
    [true, true, false],
  );
  assert.equal(card.net.counters.rxOverflow, 1);
  assert.equal(card.net.waiting(), 2);
});

test("frames without a byte or of more than 64 KiB are dropped, and counted", (t) => {
  const card = makeCard(t);
  assert.equal(card.net.send(new Uint8Array()), false);
  assert.equal(card.net.send(new Uint8Array(MAX_FRAME_BYTES + 1)), false);
  assert.equal(card.net.counters.rxWrongSize, 2);
});

test("a frame that does not fit into the one buffer is dropped; the buffer serves the next", (t) => {
  const card = makeCard(t);
  card.supply(100);
  card.serveRx();
  assert.equal(card.net.send(frameOf(89)), false);
  assert.equal(card.net.send(frameOf(88)), true);
  assertReceived(card, concat(headerOf(1), frameOf(88)));
  assert.equal(card.net.counters.rxWrongSize, 1);
});

test("with mergeable buffers a frame is spread over as many as it takes", (t) => {
  const card = makeCard(t, { features: MERGEABLE });
  for (let i = 0; i < 4; i += 1) card.supply(20, 10);
  card.serveRx();
  assert.equal(card.net.send(frameOf(70)), true);
  const frame = frameOf(70);
  assertReceived(
    card,
    concat(headerOf(3), frame.subarray(0, 18)),
    frame.subarray(18, 48),
    frame.subarray(48),
  );
});

test("a spread frame is shown at once, and only when it is whole", (t) => {
  const card = makeCard(t, { features: MERGEABLE });
  card.supply(40);
  card.supply(12);
  card.serveRx();
  assert.equal(card.net.send(frameOf(60)), true);
  assert.deepEqual(card.received(), []);
  card.supply(40);
  card.serveRx();
  const frame = frameOf(60);
  assertReceived(
    card,
    concat(headerOf(3), frame.subarray(0, 28)),
    frame.subarray(28, 40),
    frame.subarray(40),
  );
});

test("a frame larger than all buffers of a ring is dropped, and the next one passes", (t) => {
  const card = makeCard(t, { features: MERGEABLE });
  for (let i = 0; i < 16; i += 1) card.supply(20);
  card.serveRx();
  assert.equal(card.net.send(frameOf(16 * 20)), false);
  assert.equal(card.net.counters.rxWrongSize, 1);
  const empty = card.received();
  assert.equal(empty.length, 16);
  assert.ok(empty.every(({ used }) => used === 0));
  card.supply(1526);
  card.serveRx();
  card.net.send(frameOf(60));
  assertReceived(card, concat(headerOf(1), frameOf(60)));
});

for (const features of [MODERN, MERGEABLE]) {
  test(`a buffer without room for the header ends the ring with that reason (0x${features.toString(16)})`, (t) => {
    const card = makeCard(t, { features });
    card.supply(4, 7);
    card.serveRx();
    assert.equal(card.net.send(frameOf(60)), true);
    assert.deepEqual(card.rx.device.broken, {
      reason: "expected a receive buffer of at least 12 bytes, got 11",
      section: "5.1.6.3.1",
    });
  });
}

test("a ring that stops gets its buffers back unused, and the frame waits for the next start", async (t) => {
  const card = makeCard(t, { features: MERGEABLE });
  card.supply(40);
  card.supply(40);
  card.serveRx();
  card.net.send(frameOf(100));
  assert.equal(card.rx.device.inFlight, 2);
  await capability(card.net, "draining").quiesce(0);
  assert.equal(card.rx.device.inFlight, 0);
  card.rx.running.publish();
  assert.deepEqual(
    card.received().map(({ used }) => used),
    [0, 0],
  );
  card.net.send(frameOf(61));
  assert.equal(card.net.waiting(), 2, "nothing is taken from a ring that is to stop");
  card.supply(1526);
  card.supply(1526);
  card.serveRx();
  assertReceived(card, concat(headerOf(1), frameOf(100)), concat(headerOf(1), frameOf(61)));
});

test("a ring that is not served gets nothing: frames wait", (t) => {
  const card = makeCard(t);
  card.supply(1526);
  card.serveRx();
  Object.assign(card.rx.running, { active: false });
  assert.equal(card.net.send(frameOf(60)), true);
  assert.equal(card.rx.device.inFlight, 0);
  assert.deepEqual(card.received(), []);
  assert.equal(card.net.waiting(), 1);
});

test("a receive buffer that the guest does not share is completed unused, and the next one taken", (t) => {
  const card = makeCard(t);
  card.supply(1526);
  card.supply(1526);
  const { descriptors } = card.rx.driver.raw;
  descriptors[0] = 0xfffff000;
  descriptors[1] = 0xffffffff;
  card.serveRx();
  const used: number[] = [];
  card.net.send(frameOf(60));
  card.rx.driver.poll((_token, written) => used.push(written), 8);
  assert.deepEqual(used, [0, 72]);
  assert.equal(card.rx.device.broken, undefined);
});

test("pairs have rings of their own; MQ is offered for more than one", () => {
  const one = new NetDevice();
  const four = new NetDevice({ queuePairs: 4, mergeable: false });
  assert.deepEqual([one.maxQueues, one.queuePairs, one.features], [2, 1, NetFeature.MrgRxbuf]);
  assert.deepEqual([four.maxQueues, four.queuePairs, four.features], [8, 4, NetFeature.Mq]);
  assert.throws(() => four.send(frameOf(60), 4), RangeError);
  assert.equal(four.send(frameOf(60), 3), true);
  // No ring runs yet: it waits at the pair that every driver uses.
  assert.deepEqual([four.waiting(0), four.waiting(3)], [1, 0]);
});

test("impossible numbers of pairs and of waiting frames are refused", () => {
  for (const queuePairs of [0, 129, 1.5]) {
    assert.throws(() => new NetDevice({ queuePairs }), UsageError);
  }
  assert.throws(() => new NetDevice({ backlogFrames: 0 }), UsageError);
});

test("an announcement is a RARP frame of the guest's; its MTU bounds what is sent to it", (t) => {
  const frames: Uint8Array[] = [];
  const net = new NetDevice({ mtu: true, onFrame: (frame) => frames.push(frame) });
  const { reset, close } = capability(net, "lifecycle");
  t.after(() => close?.());
  assert.ok(net.features & NetFeature.Mtu);
  const { announce, setMtu } = capability(net, "network");
  announce?.(Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56));
  const [frame] = frames;
  assert.ok(frame);
  assert.equal(describeFrame(frame), "52:54:00:12:34:56 > ff:ff:ff:ff:ff:ff RARP, 60 bytes");
  // RFC 903: hardware type 1, IPv4, lengths 6 and 4, operation 3; both hardware addresses are its own.
  const text = Buffer.from(frame.subarray(14, 42)).toString("hex");
  assert.equal(text, "00010800060400035254001234560000000052540012345600000000");
  setMtu?.(1400);
  assert.equal(net.mtu, 1400);
  assert.equal(net.send(new Uint8Array(1400 + 18 + 1)), false);
  assert.equal(net.counters.rxWrongSize, 1);
  assert.equal(net.send(new Uint8Array(1400 + 18)), true);
  reset?.();
  assert.equal(net.mtu, undefined);
});
