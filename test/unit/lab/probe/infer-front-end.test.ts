import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { FrontendRequest } from "../../../../src/core/protocol/index.ts";
import {
  type FrontendMessage,
  inferFrontendDevice,
  otherFrontendDevice,
} from "../../../../src/lab/probe/infer-front-end.ts";
import { findDeviceKind } from "../../../../src/endpoints/devices/registry.ts";
import { parseCapture } from "../../../../src/lab/wire/index.ts";
import { packageRoot } from "../../../support/package-root.ts";

const { GetConfig, GetFeatures, SendRarp, SetFeatures, SetVringCall, SetVringEnable } =
  FrontendRequest;

/** A request whose payload consists of 32-bit words. */
function sends(request: FrontendRequest, ...words: readonly number[]): FrontendMessage {
  const payload = new Uint8Array(Uint32Array.from(words).buffer);
  return { header: { request, flags: 1, size: payload.length }, payload };
}

/** The names of the inferred types. */
const inferred = (messages: readonly FrontendMessage[], command = ""): string[] =>
  inferFrontendDevice(messages, [command]).map(({ name }) => name);

/** The messages of QEMU for a device with this number of rings, which no guest drives. */
const idle = (rings: number): FrontendMessage[] => [
  sends(GetFeatures),
  ...Array.from({ length: rings }, (_, ring) => sends(SetVringCall, ring, 0)),
];

test("recorded front-ends are recognised by what they sent", () => {
  const captures: Readonly<Record<string, string>> = {
    "qemu-7.2-blk--qemu-storage-daemon-7.2": "block",
    "qemu-7.2-net--dpdk-22.11": "net",
    "dpdk-virtio-user-24.11--dpdk-vhost-22.11": "net",
    "qemu-7.2-fs--virtiofsd-7.2": "fs",
  };
  for (const [capture, device] of Object.entries(captures)) {
    const path = join(packageRoot, "test/fixtures/captures", `${capture}.jsonl`);
    const messages = parseCapture(readFileSync(path, "utf8")).filter(
      ({ from }) => from === "front-end",
    );
    assert.deepEqual(inferred(messages), [device], capture);
  }
});

test("a front-end that no guest drives is recognised as far as it can be", () => {
  assert.deepEqual(inferred([...idle(1), sends(GetConfig, 0, 57, 0)]), ["block"]);
  const early = [0, 1].map((ring) => sends(SetVringEnable, ring, 1));
  assert.deepEqual(inferred([...idle(2), ...early]), ["net"]);
  assert.deepEqual(inferred([...idle(2), sends(SendRarp, 0, 0)]), ["net"]);
  assert.deepEqual(inferred(idle(2)), ["fs"]);
  // rng and i2c, scsi, vsock and gpio.
  assert.deepEqual(inferred(idle(1)), []);
  assert.deepEqual(inferred(idle(3)), []);
  assert.deepEqual(inferred([...idle(2), sends(GetConfig, 0, 8, 0)]), []);
});

test("a command line names the device type where the messages leave it open", () => {
  const command = "qemu-system-x86_64 -chardev socket,path=/run/x.sock -device vhost-user-NAME-pci";
  for (const [name, rings, device] of [
    ["rng", 1, "rng"],
    ["scsi", 3, "scsi"],
    ["gpio", 2, "gpio"],
    ["snd", 4, "sound"],
  ] as const) {
    assert.deepEqual(inferred(idle(rings), command.replace("NAME", name)), [device]);
  }
  const disk = [...idle(1), sends(GetConfig, 0, 60, 0)];
  assert.deepEqual(inferred(disk, command.replace("NAME", "fs")), ["block"], "it reads a disk");
  assert.deepEqual(inferred(idle(2), "--net virtio-net --disk vhost-user-blk"), ["net", "block"]);
});

test("a front-end of another type is reported only where its type is clear", () => {
  const other = (wanted: string, messages: readonly FrontendMessage[], command = ""): string => {
    const kind = findDeviceKind(wanted);
    assert.ok(kind);
    return otherFrontendDevice(kind, messages, [command])?.name ?? "none";
  };
  const disk = [...idle(1), sends(GetConfig, 0, 60, 0)];
  assert.equal(other("net", disk), "block");
  assert.equal(other("block", disk), "none");
  assert.equal(other("net", idle(2), "-device vhost-user-fs-pci"), "fs");
  assert.equal(other("net", idle(2)), "none", "no command line names a type");
  assert.equal(
    other("fs", idle(2), "-device vhost-user-gpio-pci"),
    "none",
    "the rings are an fs's",
  );
  assert.equal(other("scsi", idle(3), "-device vhost-user-fs-pci"), "none", "scsi is not known");
  assert.equal(other("net", [], "run-vhost-user-blk-tests"), "none", "it named no ring");
});

test("feature bits of another type exclude a file system", () => {
  assert.deepEqual(inferred([...idle(2), sends(SetFeatures, 1 << 5, 1)]), ["net"]);
});
