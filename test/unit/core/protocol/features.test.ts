import { deviceKinds } from "../../../../src/endpoints/devices/registry.ts";
import { fsType } from "../../../../src/endpoints/devices/fs/type.ts";
import { netType } from "../../../../src/endpoints/devices/net/type.ts";
import { blockType } from "../../../../src/endpoints/devices/block/type.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { UsageError } from "../../../../src/core/base/errors.ts";
import * as p from "../../../../src/core/protocol/index.ts";

const protocolNames =
  "MQ LOG_SHMFD RARP REPLY_ACK MTU BACKEND_REQ CROSS_ENDIAN CRYPTO_SESSION PAGEFAULT CONFIG " +
  "BACKEND_SEND_FD HOST_NOTIFIER INFLIGHT_SHMFD RESET_DEVICE INBAND_NOTIFICATIONS " +
  "CONFIGURE_MEM_SLOTS STATUS XEN_MMAP SHARED_OBJECT DEVICE_STATE GET_VRING_BASE_INFLIGHT " +
  "GPA_ADDRESSES SHMEM GET_VRING_BASE_SKIP_DRAIN";

const transportNames: readonly (readonly [number, string])[] = [
  [24, "VIRTIO_F_NOTIFY_ON_EMPTY"],
  [26, "VHOST_F_LOG_ALL"],
  [27, "VIRTIO_F_ANY_LAYOUT"],
  [28, "VIRTIO_RING_F_INDIRECT_DESC"],
  [29, "VIRTIO_RING_F_EVENT_IDX"],
  [30, "VHOST_USER_F_PROTOCOL_FEATURES"],
  [32, "VIRTIO_F_VERSION_1"],
  [33, "VIRTIO_F_ACCESS_PLATFORM"],
  [34, "VIRTIO_F_RING_PACKED"],
  [35, "VIRTIO_F_IN_ORDER"],
  [36, "VIRTIO_F_ORDER_PLATFORM"],
  [37, "VIRTIO_F_SR_IOV"],
  [38, "VIRTIO_F_NOTIFICATION_DATA"],
  [39, "VIRTIO_F_NOTIF_CONFIG_DATA"],
  [40, "VIRTIO_F_RING_RESET"],
  [41, "VIRTIO_F_ADMIN_VQ"],
  [43, "VIRTIO_F_SUSPEND"],
];

test("protocol features have the numbers and names of the specification", () => {
  const names = protocolNames.split(" ");
  assert.deepEqual(
    p.protocolFeatureNames((1n << BigInt(names.length)) - 1n),
    names.map((name) => `VHOST_USER_PROTOCOL_F_${name}`),
  );
  const constants = Object.entries(p.ProtocolFeature).map(([name, mask]) => [
    name.replace(/(?<!^)([A-Z])/g, "_$1").toUpperCase(),
    mask,
  ]);
  assert.deepEqual(
    constants,
    names.map((name, bit) => [name, 1n << BigInt(bit)]),
  );
});

test("transport features have the numbers and names of the UAPI headers", () => {
  for (const [bit, name] of transportNames) {
    assert.deepEqual(p.virtioFeatureNames(1n << BigInt(bit)), [name]);
  }
  assert.equal(p.VirtioFeature.EventIdx, 1n << 29n);
  assert.equal(p.VirtioFeature.ProtocolFeatures, 1n << 30n);
  assert.equal(p.VirtioFeature.LogAll, 1n << 26n);
  assert.equal(p.VirtioFeature.Version1, 1n << 32n);
  assert.equal(p.VirtioFeature.RingPacked, 1n << 34n);
  for (const mask of Object.values(p.VirtioFeature)) {
    assert.doesNotMatch(p.virtioFeatureNames(mask).join(), /^bit/);
  }
});

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

test("what is no feature is refused with what would have been one", () => {
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
