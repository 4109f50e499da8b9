import { deviceKinds } from "../../../../src/endpoints/devices/registry.ts";
import { fsType } from "../../../../src/endpoints/devices/fs/type.ts";
import { netType } from "../../../../src/endpoints/devices/net/type.ts";
import { blockType } from "../../../../src/endpoints/devices/block/type.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { UsageError } from "../../../../src/core/base/index.ts";
import * as p from "../../../../src/core/protocol/index.ts";

test("device features are named when the device is known", () => {
  const word = (1n << 9n) | (1n << 12n) | (1n << 32n);
  assert.deepEqual(p.virtioFeatureNames(word, blockType), [
    "VIRTIO_BLK_F_FLUSH",
    "VIRTIO_BLK_F_MQ",
    "VIRTIO_F_VERSION_1",
  ]);
  assert.deepEqual(p.virtioFeatureNames(word), ["bit 9", "bit 12", "VIRTIO_F_VERSION_1"]);
  assert.deepEqual(p.virtioFeatureNames((1n << 22n) | (1n << 63n), netType), [
    "VIRTIO_NET_F_MQ",
    "VIRTIO_NET_F_SPEED_DUPLEX",
  ]);
});

test("unknown bits keep their number and every bit has an explanation", () => {
  assert.deepEqual(p.virtioFeatureNames(1n << 47n, fsType), ["bit 47"]);
  assert.deepEqual(p.protocolFeatureNames(1n << 63n), ["bit 63"]);
  const everything = (1n << 64n) - 1n;
  for (const device of [undefined, ...deviceKinds]) {
    const list = p.explainVirtioFeatures(everything, device);
    assert.deepEqual(
      list.map(({ bit }) => bit),
      Array.from({ length: 64 }, (_, bit) => bit),
    );
    assert.ok(list.every(({ text }) => text.length > 0));
  }
  assert.equal(p.explainProtocolFeatures(1n << 3n)[0]?.text.includes("acknowledgement"), true);
});

test("features are understood by name, short name, number and mask", () => {
  const flush = 1n << 9n;
  for (const text of ["VIRTIO_BLK_F_FLUSH", "virtio_blk_f_flush", "flush", "9", "bit 9", "0x200"]) {
    assert.equal(p.parseVirtioFeature(text, blockType), flush, text);
  }
  assert.equal(p.parseVirtioFeature("event-idx"), 1n << 29n);
  assert.equal(p.parseVirtioFeature("IOMMU_PLATFORM"), 1n << 33n);
  assert.equal(p.parseVirtioFeature("63"), 1n << 63n);
  assert.equal(p.parseProtocolFeature("reply-ack"), 8n);
  assert.equal(p.parseProtocolFeature("VHOST_USER_PROTOCOL_F_MQ"), 1n);
  assert.equal(p.parseProtocolFeature("net_mtu"), 16n);
  assert.equal(p.parseProtocolFeature("0x8f2b"), 0x8f2bn);
});

test("a name that is not a feature is refused with the names that are", () => {
  for (const text of ["flush", "", "64", "0x", "-1", "0x1ffffffffffffffff"]) {
    assert.throws(() => p.parseVirtioFeature(text), UsageError, text);
  }
  assert.throws(() => p.parseProtocolFeature("event-idx"), /unknown protocol feature "event-idx"/);
});

test("every name that is printed is understood again", () => {
  for (const device of [undefined, ...deviceKinds]) {
    for (const { bit, name } of p.explainVirtioFeatures((1n << 64n) - 1n, device)) {
      assert.equal(p.parseVirtioFeature(name, device), 1n << BigInt(bit));
    }
  }
});

test("the device status is shown by the names of its bits", () => {
  assert.deepEqual(p.statusNames(0x0fn), ["ACKNOWLEDGE", "DRIVER", "DRIVER_OK", "FEATURES_OK"]);
  assert.deepEqual(p.statusNames(0x1c0n), ["DEVICE_NEEDS_RESET", "FAILED", "0x100"]);
  assert.deepEqual(p.statusNames(0n), []);
});
