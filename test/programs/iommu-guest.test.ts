import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { NetResponder, respondingDevice } from "../../src/endpoints/devices/net/index.ts";
import { bootLinux } from "../../src/lab/programs/index.ts";
import { VirtioFeature } from "../../src/core/protocol/index.ts";
import { assertHeard } from "../coverage/heard.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { needsGuest, sha256OfFile } from "./support/index.ts";
import { BEHIND_IOMMU, serveBehindIommu, serveDiskBehindIommu } from "./support/iommu.ts";

guardLeaks();

const SIZE = 4 << 20;
test(
  "behind QEMU's virtual IOMMU a guest's checksums equal ours, on two disks and a network card",
  { skip: needsGuest() },
  async (t) => {
    const disks = await Promise.all(
      ["split", "packed"].map(async (format) => ({
        ...(await serveDiskBehindIommu(t, SIZE)),
        format,
      })),
    );
    const net = await serveBehindIommu(t, "net.sock", () =>
      respondingDevice(new NetResponder({ address: "10.7.0.1/16" })),
    );
    const blk = disks.flatMap(({ path, format }, i) => [
      ["-chardev", `socket,id=disk${i},path=${path}`],
      [
        "-device",
        `vhost-user-blk-pci,chardev=disk${i},num-queues=2,packed=${format === "packed" ? "on" : "off"},${BEHIND_IOMMU}`,
      ],
    ]);
    const result = await bootLinux({
      modules: ["virtio_pci", "virtio_blk", "virtio_net"],
      cpus: 2,
      // A second region: it begins at 4 GiB, and not at the beginning of its file.
      memoryMiB: 3072,
      kernelArguments: "intel_iommu=on iommu.strict=1",
      deviceArguments: [
        ["-device", "intel-iommu,device-iotlb=on,intremap=off"],
        ...blk,
        ["-chardev", `socket,id=char0,path=${net.path}`],
        ["-netdev", "vhost-user,id=net0,chardev=char0"],
        // With MSI-X and a control queue, QEMU 7.2 without KVM dies of SIGSEGV.
        ["-device", `virtio-net-pci,netdev=net0,romfile=,vectors=0,${BEHIND_IOMMU}`],
      ].flat(),
      script: `
        set -e
        ls /sys/class/iommu
        cat /sys/kernel/iommu_groups/*/type | sort -u
        for disk in vda vdb; do
          sha256sum /dev/$disk | cut -d ' ' -f 1
          dd if=/dev/urandom of=/dev/$disk bs=64k count=32 seek=16 iflag=fullblock conv=fsync,notrunc 2>/dev/null
        done
        echo 3 > /proc/sys/vm/drop_caches
        for disk in vda vdb; do sha256sum /dev/$disk | cut -d ' ' -f 1; done
        ip link set eth0 up
        ip addr add 10.7.0.2/16 dev eth0
        ping -c 5 -i 0.2 -W 2 -s 1400 -p a5 10.7.0.1 | grep -o '[0-9]* packets received'`,
    });
    t.diagnostic(`the guest took ${Math.round(result.durationMs)} ms`);
    const sums = [
      ...disks.map(({ before }) => createHash("sha256").update(before).digest("hex")),
      ...disks.map(({ image }) => sha256OfFile(image)),
    ];
    assert.deepEqual(result.output.split(/\r?\n/), [
      "dmar0",
      // Translated, and not passed through.
      "DMA",
      ...sums,
      "5 packets received",
      "",
    ]);
    assert.equal(new Set(sums).size, 4);
    for (const { messages, sessions, problems, mmapOffsets } of [...disks, net]) {
      const { misses, updates, invalidations } = messages;
      t.diagnostic(`${misses} misses, ${updates} updates, ${invalidations} invalidations`);
      assert.ok(misses > 20 && updates >= misses && invalidations > 20);
      const [session] = sessions;
      assert.ok(((session?.negotiation.features ?? 0n) & VirtioFeature.AccessPlatform) !== 0n);
      assert.ok(mmapOffsets.some((offset) => offset > 0n));
      assert.deepEqual(problems, []);
    }
    assertHeard("back-end", "QEMU 7.2 with its virtual IOMMU", {
      requests: new Set([...disks, net].flatMap(({ heard }) => [...heard.requests])),
      features: new Set([...disks, net].flatMap(({ heard }) => [...heard.features])),
    });
    const packed = disks[1]?.sessions[0]?.negotiation.features ?? 0n;
    assert.ok((packed & VirtioFeature.RingPacked) !== 0n);
  },
);
