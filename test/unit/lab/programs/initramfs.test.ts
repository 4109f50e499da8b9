import assert from "node:assert/strict";
import { test } from "node:test";
import { cpioArchive } from "../../../../src/lab/programs/guest/cpio.ts";
import { moduleLoadOrder, newestVersion } from "../../../../src/lab/programs/guest/kernel.ts";

// As depmod writes it; the order within a line says nothing about who needs whom.
const modulesDep = `kernel/drivers/virtio/virtio.ko:
kernel/drivers/virtio/virtio_ring.ko: kernel/drivers/virtio/virtio.ko
kernel/drivers/virtio/virtio_pci_modern_dev.ko:
kernel/drivers/virtio/virtio_pci.ko: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_pci_modern_dev.ko kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/block/virtio_blk.ko.xz: kernel/drivers/virtio/virtio_ring.ko kernel/drivers/virtio/virtio.ko
kernel/drivers/char/hw_random/virtio-rng.ko: kernel/drivers/virtio/virtio.ko
`;

test("every module comes after those it needs, and only once", () => {
  const order = moduleLoadOrder(modulesDep, ["virtio_blk", "virtio_pci"]).map((path) =>
    path.replace(/^.*\//, ""),
  );
  assert.deepEqual(order, [
    "virtio.ko",
    "virtio_ring.ko",
    "virtio_blk.ko.xz",
    "virtio_pci_modern_dev.ko",
    "virtio_pci.ko",
  ]);
});

test("modules are found under either spelling, and built-in ones are left out", () => {
  assert.deepEqual(moduleLoadOrder(modulesDep, ["virtio_rng", "ext4"]), [
    "kernel/drivers/virtio/virtio.ko",
    "kernel/drivers/char/hw_random/virtio-rng.ko",
  ]);
});

test("modules that need each other do not hang the search", () => {
  assert.deepEqual(moduleLoadOrder("a.ko: b.ko\nb.ko: a.ko\n", ["a"]), ["b.ko", "a.ko"]);
});

test("the newest cloud kernel is chosen, and another one where there is none", () => {
  const cloud = ["6.1.0-9-cloud-amd64", "6.1.0-44-cloud-amd64", "6.12.1-1-amd64"];
  assert.equal(newestVersion(cloud), "6.1.0-44-cloud-amd64");
  assert.equal(newestVersion(["5.15.0-100-generic", "5.15.0-99-generic"]), "5.15.0-100-generic");
  assert.equal(newestVersion([]), undefined);
});

test("an archive entry has an aligned name and content, and a trailer ends the archive", () => {
  const archive = Buffer.from(
    cpioArchive([
      { path: "init", mode: 0o100755, bytes: Buffer.from("hello") },
      { path: "dev/console", mode: 0o020600, device: [5, 1] },
    ]),
  );
  const header = (offset: number): number[] =>
    Array.from({ length: 13 }, (_, field) =>
      Number.parseInt(
        archive.toString("latin1", offset + 6 + 8 * field, offset + 14 + 8 * field),
        16,
      ),
    );
  assert.equal(archive.toString("latin1", 0, 6), "070701");
  assert.deepEqual(header(0), [1, 0o100755, 0, 0, 1, 0, 5, 0, 0, 0, 0, 5, 0]);
  // 110 header bytes + "init\0" = 115, padded to 116; 5 bytes of content, padded to 124.
  assert.equal(archive.toString("latin1", 110, 116), "init\0\0");
  assert.equal(archive.toString("latin1", 116, 124), "hello\0\0\0");
  assert.equal(archive.toString("latin1", 124, 130), "070701");
  assert.deepEqual(header(124), [2, 0o020600, 0, 0, 1, 0, 0, 0, 0, 5, 1, 12, 0]);
  assert.ok(archive.includes("TRAILER!!!\0"));
  assert.equal(archive.length % 4, 0);
});
