import assert from "node:assert/strict";
import { test } from "node:test";
import type { DeviceKind } from "../../../../src/endpoints/devices/kind.ts";
import { deviceKinds } from "../../../../src/endpoints/devices/registry.ts";

interface SpecifiedType {
  readonly id: number;
  /** The types of the fields of the configuration structure, in order; `-` marks padding. */
  readonly config?: string;
  /** Bit numbers by the part of the name behind VIRTIO_…_F_. */
  readonly bits?: Readonly<Record<string, number>>;
  readonly queues: string;
}

/** The values of VIRTIO 1.4, chapter 5. Types that it defines by an id alone are left out. */
const specified: Readonly<Record<string, SpecifiedType>> = {
  net: {
    id: 1,
    // VIRTIO also has the fields of RSS behind duplex.
    config: "mac:6 16 16 16 32 8",
    bits: { CSUM: 0, MTU: 3, MAC: 5, MRG_RXBUF: 15, CTRL_VQ: 17, MQ: 22, CTRL_MAC_ADDR: 23 },
    queues: "[receiveq] [transmitq] controlq",
  },
  block: {
    id: 2,
    // VIRTIO also has the fields of SECURE_ERASE and ZONED behind write_zeroes_may_unmap.
    config: "64 32 32 (16 8 8) 32 8 8 16 32 8 -8 16 32 32 32 32 32 8",
    bits: { SIZE_MAX: 1, SEG_MAX: 2, GEOMETRY: 4, RO: 5, BLK_SIZE: 6, FLUSH: 9, TOPOLOGY: 10 },
    queues: "[requestq]",
  },
  console: {
    id: 3,
    config: "16 16 32 32",
    bits: { SIZE: 0, MULTIPORT: 1, EMERG_WRITE: 2 },
    queues: "receiveq transmitq control_receiveq control_transmitq [receiveq] [transmitq]",
  },
  rng: { id: 4, queues: "requestq" },
  balloon: {
    id: 5,
    config: "32 32 32 32",
    bits: {
      MUST_TELL_HOST: 0,
      STATS_VQ: 1,
      DEFLATE_ON_OOM: 2,
      FREE_PAGE_HINT: 3,
      PAGE_POISON: 4,
      PAGE_REPORTING: 5,
    },
    queues: "inflateq deflateq statsq free_page_vq reporting_vq",
  },
  scsi: {
    id: 8,
    config: "32 32 32 32 32 32 32 16 16 32",
    bits: { INOUT: 0, HOTPLUG: 1, CHANGE: 2, T10_PI: 3 },
    queues: "controlq eventq [requestq]",
  },
  gpu: {
    id: 16,
    config: "32 32 32 32",
    bits: { VIRGL: 0, EDID: 1, RESOURCE_UUID: 2, RESOURCE_BLOB: 3, CONTEXT_INIT: 4 },
    queues: "controlq cursorq",
  },
  rtc: { id: 17, bits: { ALARM: 0 }, queues: "requestq alarmq" },
  // The content of input's configuration structure depends on what the driver selects.
  input: { id: 18, queues: "eventq statusq" },
  vsock: {
    id: 19,
    config: "64",
    bits: { STREAM: 0, SEQPACKET: 1, NO_IMPLIED_STREAM: 2 },
    queues: "rx tx event",
  },
  crypto: {
    id: 20,
    config: "32 32 32 32 32 32 32 32 32 32 32 32 64",
    bits: {
      REVISION_1: 0,
      CIPHER_STATELESS_MODE: 1,
      HASH_STATELESS_MODE: 2,
      MAC_STATELESS_MODE: 3,
      AEAD_STATELESS_MODE: 4,
      AKCIPHER_STATELESS_MODE: 5,
    },
    queues: "[dataq] controlq",
  },
  iommu: {
    id: 23,
    config: "64 (64 64) (32 32) 32 8",
    bits: {
      INPUT_RANGE: 0,
      DOMAIN_RANGE: 1,
      MAP_UNMAP: 2,
      BYPASS: 3,
      PROBE: 4,
      MMIO: 5,
      BYPASS_CONFIG: 6,
    },
    queues: "requestq eventq",
  },
  mem: {
    id: 24,
    config: "64 16 -48 64 64 64 64 64",
    bits: { ACPI_PXM: 0, UNPLUGGED_INACCESSIBLE: 1, PERSISTENT_SUSPEND: 2 },
    queues: "guest-request",
  },
  sound: { id: 25, config: "32 32 32 32", bits: { CTLS: 0 }, queues: "controlq eventq txq rxq" },
  // The notification queue, of devices with NOTIFICATION, comes before the request queues.
  fs: { id: 26, config: "tag:36 32 32", bits: { NOTIFICATION: 0 }, queues: "hiprio [requestq]" },
  pmem: { id: 27, config: "64 64", bits: { SHMEM_REGION: 0 }, queues: "req_vq" },
  rpmb: { id: 28, config: "8 8 8", queues: "requestq" },
  scmi: { id: 32, bits: { P2A_CHANNELS: 0, SHARED_MEMORY: 1 }, queues: "cmdq eventq" },
  i2c: { id: 34, bits: { ZERO_LENGTH_REQUEST: 0 }, queues: "requestq" },
  can: {
    id: 36,
    config: "16",
    bits: { CAN_CLASSIC: 0, CAN_FD: 1, RTR_FRAMES: 2, LATE_TX_ACK: 3 },
    queues: "txq rxq controlq",
  },
  gpio: { id: 41, config: "16 -16 32", bits: { IRQ: 0 }, queues: "requestq eventq" },
  spi: { id: 45, config: "8 8 8 8 32 32 32 32 32 32 32", queues: "requestq" },
  // media's configuration structure ends with a name of 32 bytes.
  media: { id: 48, queues: "commandq eventq" },
};

/** The offsets and sizes in bytes of the fields that a list such as `64 -8 (16 8)` describes. */
function placesOf(list: string): readonly (readonly [number, number])[] {
  let end = 0;
  return [...list.matchAll(/\([^)]*\)|\S+/g)].flatMap(([entry]) => {
    const offset = end;
    const sizes = entry.replace(/^\w+:(\d+)$/, (_, bytes: string) => String(8 * Number(bytes)));
    const bits = [...sizes.matchAll(/\d+/g)].reduce((sum, [digits]) => sum + Number(digits), 0);
    end += bits / 8;
    return entry.startsWith("-") ? [] : [[offset, end - offset] as const];
  });
}

function queueText({ queues: { once = [], repeated = [], last = [] } }: DeviceKind): string {
  return [...once, ...repeated.map((name) => `[${name}]`), ...last]
    .map((name) => name.replaceAll(" ", "_"))
    .join(" ");
}

for (const kind of deviceKinds) {
  const type = specified[kind.name];
  if (type === undefined) continue;
  test(`${kind.name} has the id, bits, queues and configuration structure of VIRTIO`, () => {
    assert.equal(kind.id, type.id);
    assert.equal(queueText(kind), type.queues);
    const fields = Object.values(kind.config?.fields ?? {});
    assert.deepEqual(
      fields.map(({ offset, size }) => [offset, size]),
      placesOf(type.config ?? ""),
    );
    const bits = kind.features.map(([bit, name]) => [name.replace(/^.*?_F_/, ""), bit] as const);
    const byName = Object.fromEntries(bits);
    for (const [name, bit] of Object.entries(type.bits ?? {}))
      assert.equal(byName[name], bit, name);
    // Long lists are compared in part.
    if (bits.length < 10) assert.equal(bits.length, Object.keys(type.bits ?? {}).length);
  });
}

test("VIRTIO gives 9p and bluetooth an id alone; the table has all remaining types", () => {
  const unspecified = deviceKinds.filter(({ name }) => !Object.hasOwn(specified, name));
  assert.deepEqual(
    unspecified.map(({ name, id }) => `${name} ${id}`),
    ["9p 9", "bluetooth 40"],
  );
});
