import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { bootLinux } from "../../../src/lab/programs/index.ts";
import { diskImage, sha256OfFile, temporaryDirectory } from "./temporary.ts";

/** Bytes of each disk. */
const SIZE = 4 << 20;
/** Bytes at its begin that the guest leaves alone. */
const UNTOUCHED = 1 << 20;

/** A disk of random bytes that a guest is going to have. */
export interface RandomDisk {
  /** Where its back-end has to listen. */
  readonly socketPath: string;
  readonly image: string;
  readonly before: Uint8Array;
}

export function randomDisk(t: TestContext): RandomDisk {
  const directory = temporaryDirectory(t);
  const before = randomBytes(SIZE);
  const image = diskImage(directory, SIZE, before);
  return { socketPath: join(directory, "disk.sock"), image, before };
}

export interface GuestDisk extends RandomDisk {
  /** Queues that QEMU is given, and that the guest has to use: at most one a processor. */
  readonly queues: number;
  /** Further properties of `vhost-user-blk-pci`, e.g. `packed=on`. */
  readonly properties: string;
}

const CPUS = 4;

/**
 * Boots Linux once with all these disks. It reads each of them, writes it from every processor, so
 * that every queue has work, and reads it again: its checksums have to equal ours.
 */
export async function bootWithDisks(t: TestContext, disks: readonly GuestDisk[]): Promise<void> {
  const { output, exitCode, console, durationMs } = await bootLinux({
    modules: ["virtio_pci", "virtio_blk"],
    cpus: CPUS,
    timeoutMs: 200_000,
    deviceArguments: disks.flatMap(({ socketPath, queues, properties }, i) => [
      "-chardev",
      `socket,id=disk${i},path=${socketPath}`,
      "-device",
      `vhost-user-blk-pci,chardev=disk${i},addr=${slotOf(i)},num-queues=${queues},${properties}`,
    ]),
    // The guest names its disks as it likes; their places on the bus are ours.
    script: `
      set -e
      sum() { echo "$(readlink -f /sys/block/$1/device | cut -d / -f 5) $2 $(sha256sum < /dev/$1 | cut -d ' ' -f 1)"; }
      disks=$(ls -d /sys/block/vd* | sed 's,.*/,,')
      for disk in $disks; do
        sum $disk "$(ls -1 /sys/block/$disk/mq | wc -l)"
        for cpu in $(seq 0 ${CPUS - 1}); do
          write="taskset $((1 << cpu)) dd if=/dev/urandom of=/dev/$disk iflag=fullblock conv=fsync,notrunc"
          $write bs=64k count=6 seek=$((16 + 6 * cpu)) 2>/dev/null
          $write bs=4k count=25 seek=$((801 + 25 * cpu)) 2>/dev/null
        done
      done
      echo 3 > /proc/sys/vm/drop_caches
      for disk in $disks; do sum $disk after; done`,
  });
  t.diagnostic(`the guest took ${Math.round(durationMs)} ms`);
  assert.equal(exitCode, 0, `${output}\n${console}`);
  const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
  const expected = disks.flatMap(({ before, image, queues }, i) => [
    `0000:00:${slotOf(i)}.0 ${queues} ${sha256(before)}`,
    `0000:00:${slotOf(i)}.0 after ${sha256OfFile(image)}`,
  ]);
  assert.deepEqual(output.trim().split(/\r?\n/).toSorted(), expected.toSorted());
  for (const { before, image } of disks) {
    const after = readFileSync(image);
    assert.ok(after.subarray(0, UNTOUCHED).equals(before.subarray(0, UNTOUCHED)));
    assert.ok(!after.equals(before));
  }
}

/** Its place on the bus; 0 is the machine's own. */
function slotOf(index: number): string {
  return (index + 1).toString(16).padStart(2, "0");
}
