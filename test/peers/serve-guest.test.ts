import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { TimeoutError } from "../../src/base/index.ts";
import {
  type BlockGuestOptions,
  bootedExitCode,
  bootFirmware,
  bootGuest,
  bootSector,
  bootUml,
  type GuestResult,
} from "../../src/peers/index.ts";
import { DeviceId } from "../../src/protocol/index.ts";
import { Workspace } from "../integration/support/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { needsGuest, needsProgram, sha256OfFile } from "./support/index.ts";

guardLeaks();

const SIZE = 16 << 20;

test(
  "a PC's firmware boots from sector 0 of serve block",
  { skip: needsProgram("qemu-system-x86_64") },
  async (t) => {
    const space = new Workspace(t);
    const content = Buffer.alloc(1 << 20);
    content.set(bootSector("booted from vhost-user"));
    const { socket } = await space.serve(["--image", space.file("disk.img", content)]);
    const { message, exitCode, durationMs } = await bootFirmware({ socketPath: socket });
    t.diagnostic(`the firmware took ${Math.round(durationMs)} ms`);
    assert.equal(message, "booted from vhost-user");
    assert.equal(exitCode, bootedExitCode);
  },
);

/**
 * Four emulated processors on two real ones: one of them was once seen stuck, with other guests
 * beside it. Such a guest is booted once more, but only if its driver has started no ring yet (the
 * firmware uses ring 0 alone): whatever hangs afterwards may be our fault, and stays a failure.
 */
async function bootPatiently(
  t: TestContext,
  served: () => string,
  options: BlockGuestOptions,
): Promise<GuestResult> {
  try {
    return await bootGuest(options);
  } catch (error) {
    const lockedUp = error instanceof TimeoutError && /soft lockup/.test(error.message);
    if (!lockedUp || /SET_VRING_KICK .*index=1\b/.test(served())) throw error;
    t.diagnostic("the guest's kernel locked up before it had a disk; it is booted once more");
    return bootGuest(options);
  }
}

const combinations = ["off", "on"].flatMap((packed) =>
  [1, 4].map((queues) => ({ packed, queues })),
);

for (const { packed, queues } of combinations) {
  for (const eventIdx of ["on", "off"]) {
    for (const indirect of ["on", "off"]) {
      test(
        `a Linux guest's checksums equal ours: packed ${packed}, queues ${queues}, event_idx ${eventIdx}, indirect ${indirect}`,
        { skip: needsGuest() },
        async (t) => {
          const space = new Workspace(t);
          const before = randomBytes(SIZE);
          const image = space.file("disk.img", before);
          const args = ["--image", image, "--queues", `${queues}`, "-v"];
          const { socket, server } = await space.serve(args);
          const result = await bootPatiently(t, () => server.stderr, {
            socketPath: socket,
            cpus: queues,
            timeoutMs: 60_000,
            blkOptions: `packed=${packed},num-queues=${queues},event_idx=${eventIdx},indirect_desc=${indirect}`,
            script: `
              set -e
              ls -1 /sys/block/vda/mq | wc -l
              sha256sum /dev/vda | cut -d ' ' -f 1
              dd if=/dev/urandom of=/dev/vda bs=64k count=64 seek=32 iflag=fullblock conv=fsync,notrunc 2>/dev/null
              dd if=/dev/urandom of=/dev/vda bs=4k count=100 seek=3001 iflag=fullblock conv=fsync,notrunc 2>/dev/null
              echo 3 > /proc/sys/vm/drop_caches
              sha256sum /dev/vda | cut -d ' ' -f 1`,
          });
          t.diagnostic(`the guest took ${Math.round(result.durationMs)} ms`);
          assert.equal(result.exitCode, 0, result.console);
          const sum = createHash("sha256").update(before).digest("hex");
          assert.equal(result.output, `${queues}\n${sum}\n${sha256OfFile(image)}\n`);
          const after = readFileSync(image);
          assert.ok(after.subarray(0, 2 << 20).equals(before.subarray(0, 2 << 20)));
          assert.ok(!after.equals(before));
          const { code, stderr } = await server.stop("SIGTERM");
          assert.equal(code, 0);
          const acknowledged = stderr.match(/< VHOST_USER_SET_FEATURES .*/g)?.at(-1) ?? "";
          assert.equal(acknowledged.includes("VIRTIO_F_RING_PACKED"), packed === "on");
        },
      );
    }
  }
}

test(
  "User Mode Linux, with neither QEMU nor KVM, reads and writes a disk of serve block",
  { skip: needsProgram("linux.uml", "busybox") },
  async (t) => {
    const space = new Workspace(t);
    const before = randomBytes(SIZE);
    const image = space.file("disk.img", before);
    const { socket, server } = await space.serve(["--image", image]);
    const result = await bootUml({
      socketPath: socket,
      deviceId: DeviceId.block,
      script: `
        sha256sum /dev/vda | cut -d ' ' -f 1
        dd if=/dev/urandom of=/dev/vda bs=64k count=64 seek=32 iflag=fullblock conv=fsync 2>/dev/null
        echo 3 > /proc/sys/vm/drop_caches
        sha256sum /dev/vda | cut -d ' ' -f 1`,
    });
    t.diagnostic(`the guest took ${Math.round(result.durationMs)} ms`);
    const sum = createHash("sha256").update(before).digest("hex");
    assert.equal(result.output, `${sum}\n${sha256OfFile(image)}\n`);
    assert.notEqual(sha256OfFile(image), sum);
    assert.equal((await server.stop("SIGTERM")).code, 0);
  },
);
