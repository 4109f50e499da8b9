import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { bootLinux } from "../../src/lab/programs/index.ts";
import { VirtioFeature } from "../../src/core/protocol/index.ts";
import { needsGuest, sha256OfFile } from "../programs/support/index.ts";
import { BEHIND_IOMMU, serveDiskBehindIommu } from "../programs/support/iommu.ts";
import { guardLeaks } from "../support/leak-guard.ts";

guardLeaks();

const SIZE = 4 << 20;
const ON_OFF = ["on", "off"] as const;

/** Every way that a guest's rings can be, each a disk of one machine. */
const kinds = ON_OFF.flatMap((packed) =>
  [1, 4].flatMap((queues) =>
    ON_OFF.flatMap((eventIdx) =>
      ON_OFF.map((indirect) => ({ packed, queues, eventIdx, indirect })),
    ),
  ),
);

/** The virtual IOMMU, and whether the guest's kernel of Debian has a driver for it. */
const iommus = [
  { device: "intel-iommu,device-iotlb=on,intremap=off", kernel: "intel_iommu=on iommu.strict=1" },
  { device: "virtio-iommu-pci", kernel: "" },
];

for (const { device, kernel } of iommus) {
  test(
    `a guest's checksums equal ours behind ${device}, on 16 disks, one for each kind of ring`,
    { skip: needsGuest() },
    async (t) => {
      const disks = await Promise.all(
        kinds.map(async (kind) => ({
          ...kind,
          ...(await serveDiskBehindIommu(t, SIZE, kind.queues)),
        })),
      );
      const result = await bootLinux({
        modules: ["virtio_pci", "virtio_blk"],
        cpus: 4,
        memoryMiB: 3072,
        timeoutMs: 400_000,
        kernelArguments: kernel,
        deviceArguments: [
          ["-device", device],
          ...disks.flatMap(({ path, packed, queues, eventIdx, indirect }, i) => [
            ["-chardev", `socket,id=disk${i},path=${path}`],
            [
              "-device",
              `vhost-user-blk-pci,chardev=disk${i},num-queues=${queues},packed=${packed},` +
                `event_idx=${eventIdx},indirect_desc=${indirect},${BEHIND_IOMMU}`,
            ],
          ]),
        ].flat(),
        script: `
          set -e
          disks=$(ls -d /sys/block/vd* | sed 's,.*/,,')
          for disk in $disks; do
            echo "$disk $(sha256sum < /dev/$disk | cut -d ' ' -f 1)"
            dd if=/dev/urandom of=/dev/$disk bs=64k count=32 seek=16 iflag=fullblock conv=fsync,notrunc 2>/dev/null
          done
          echo 3 > /proc/sys/vm/drop_caches
          for disk in $disks; do echo "$disk $(sha256sum < /dev/$disk | cut -d ' ' -f 1)"; done`,
      });
      t.diagnostic(`the guest took ${Math.round(result.durationMs)} ms`);
      assert.equal(result.exitCode, 0, result.console);
      const sums = (text: readonly string[]): string[] => text.toSorted();
      const printed = result.output
        .trim()
        .split(/\r?\n/)
        .map((line) => line.split(" ")[1] ?? "");
      // Which letter a disk has is the guest's choice.
      assert.deepEqual(
        sums(printed),
        sums(
          disks.flatMap(({ before, image }) => [
            createHash("sha256").update(before).digest("hex"),
            sha256OfFile(image),
          ]),
        ),
      );
      for (const { messages, problems, sessions, packed } of disks) {
        assert.ok(messages.misses > 20);
        const features = sessions[0]?.negotiation.features ?? 0n;
        assert.equal((features & VirtioFeature.RingPacked) !== 0n, packed === "on");
        assert.ok((features & VirtioFeature.AccessPlatform) !== 0n);
        assert.deepEqual(problems, []);
      }
      const total = disks.reduce((all, { messages }) => all + messages.misses, 0);
      t.diagnostic(`${total} misses`);
    },
  );
}
