import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { findDeviceKind } from "../../../../src/endpoints/devices/registry.ts";
import { otherDevice } from "../../../../src/lab/probe/expect-device.ts";
import { inferDevice } from "../../../../src/lab/probe/infer-device.ts";
import { parseCapture } from "../../../../src/lab/wire/index.ts";
import { packageRoot } from "../../../support/package-root.ts";

/** What the back-end of a recorded conversation offered: its first replies to requests 1 and 15. */
function offerOf(capture: string): readonly [virtio: bigint, protocol: bigint] {
  const path = join(packageRoot, "test/fixtures/captures", `${capture}.jsonl`);
  const replies = parseCapture(readFileSync(path, "utf8")).filter(
    ({ from }) => from === "back-end",
  );
  const reply = (request: number): bigint => {
    const found = replies.find(({ header }) => header.request === request);
    assert.ok(found);
    return Buffer.from(found.payload).readBigUInt64LE(0);
  };
  return [reply(1), reply(15)];
}

/** The name of the inferred type, or null. */
function inferred(virtio: bigint, protocol: bigint, program: string | undefined): string | null {
  return inferDevice(virtio, protocol, program)?.name ?? null;
}

test("recorded offers of real back-ends identify the device", () => {
  const captures: Readonly<Record<string, readonly [program: string | undefined, string | null]>> =
    {
      "qemu-7.2-blk--qemu-storage-daemon-7.2": [undefined, "block"],
      "qemu-7.2-net--dpdk-22.11": [undefined, "net"],
      "dpdk-virtio-user-24.11--dpdk-vhost-22.11": [undefined, "net"],
      "qemu-7.2-fs--virtiofsd-7.2": ["virtiofsd", "fs"],
    };
  for (const [capture, [program, device]] of Object.entries(captures)) {
    assert.equal(inferred(...offerOf(capture), program), device, capture);
  }
  assert.equal(inferred(...offerOf("qemu-7.2-fs--virtiofsd-7.2"), undefined), null);
});

test("where the offer is ambiguous, the program's name decides", () => {
  const ring = 0x1_7000_0000n;
  const programs: Readonly<Record<string, string | null>> = {
    virtiofsd: "fs",
    passt: "net",
    "passt.avx2": "net",
    "vhost-user-blk": "block",
    "vhost-device-vsock": "vsock",
    "vhost-device-gpio": "gpio",
    "vhost-user-gpu": "gpu",
    "vhost-user-input": "input",
    "vhost-device-toaster": null,
    node: null,
    "qemu-storage-daemon": null,
  };
  for (const [program, device] of Object.entries(programs)) {
    assert.equal(inferred(ring, 0n, program), device, program);
  }
  assert.equal(inferred(ring, 0n, undefined), null);
  assert.equal(inferred(0n, 0n, undefined), null);
});

test("the offer decides before the name does", () => {
  assert.equal(inferred(0x244n, 0x200n, "passt"), "block");
  assert.equal(inferred(0x8000n, 0n, "virtiofsd"), "net");
  assert.equal(inferred(0n, 0x10n, "virtiofsd"), "net", "NET_MTU is for network cards only");
});

test("block features without a configuration space are not proof", () => {
  assert.equal(inferred(0x244n, 0n, undefined), null);
  assert.equal(inferred(0x0n, 0x200n, undefined), null);
  assert.equal(inferred(0x245n, 0x200n, undefined), null, "bit 0 is none of a modern disk's");
});

test("LIFETIME, SECURE_ERASE and ZONED do not make a network card of a disk", () => {
  const [config, lifetime, secureErase, zoned] = [0x200n, 1n << 15n, 1n << 16n, 1n << 17n];
  for (const own of [lifetime, secureErase, zoned, lifetime | zoned]) {
    assert.equal(inferred(0x244n | own, config, undefined), "block");
    assert.equal(
      inferred(own, 0n, undefined),
      "net",
      "the same bits are a card's without a disk's",
    );
    assert.equal(inferred(0x245n | own, config, undefined), "net", "CSUM is a card's");
  }
  assert.equal(inferred(0x244n | (1n << 18n), config, undefined), "net", "CTRL_RX is a card's");
});

test("another type is reported only where both are known", () => {
  const { net, block } = { net: findDeviceKind("net"), block: findDeviceKind("block") };
  assert.equal(otherDevice("block", net), net);
  assert.equal(otherDevice("block", block), undefined);
  assert.equal(otherDevice("block", undefined), undefined);
  assert.equal(otherDevice("entropy", block), undefined, "a type of another package");
});
