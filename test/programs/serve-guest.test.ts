import { blockKind } from "../../src/endpoints/devices/block/kind.ts";
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { bootedExitCode, bootFirmware, bootSector, bootUml } from "../../src/lab/programs/index.ts";
import { Workspace } from "../integration/support/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { uringSkip } from "../support/uring.ts";
import { needsProgram, sha256OfFile } from "./support/index.ts";

guardLeaks();

const SIZE = 16 << 20;
const noUring = uringSkip();
const ENGINES: readonly (readonly [name: string, options: readonly string[]])[] = [
  ["auto", []],
  ["io_uring, O_DIRECT, in workers", ["--engine", "uring", "--direct", "--workers"]],
];

for (const [engine, options] of ENGINES) {
  const without = options.length > 0 && noUring;

  test(
    `a PC of four processors, with no num-queues, boots from sector 0 of serve block: engine ${engine}`,
    { skip: without || needsProgram("qemu-system-x86_64") },
    async (t) => {
      const space = new Workspace(t);
      const content = Buffer.alloc(1 << 20);
      content.set(bootSector("booted from vhost-user"));
      const image = space.file("disk.img", content);
      const { socket, server } = await space.serve(["--image", image, "-v", ...options]);
      const { message, exitCode, durationMs } = await bootFirmware({ socketPath: socket, cpus: 4 });
      t.diagnostic(`the firmware took ${Math.round(durationMs)} ms`);
      assert.equal(message, "booted from vhost-user");
      assert.equal(exitCode, bootedExitCode);
      const { stderr } = await server.stop("SIGTERM");
      const named = [...stderr.matchAll(/< VHOST_USER_SET_VRING_CALL index=(\d+)/g)];
      assert.equal(Math.max(...named.map(([, index]) => Number(index))), 3);
    },
  );

  test(
    `User Mode Linux, with neither QEMU nor KVM, reads and writes a disk of serve block: engine ${engine}`,
    { skip: without || needsProgram("linux.uml", "busybox") },
    async (t) => {
      const space = new Workspace(t);
      const before = randomBytes(SIZE);
      const image = space.file("disk.img", before);
      const { socket, server } = await space.serve(["--image", image, ...options]);
      const result = await bootUml({
        socketPath: socket,
        deviceId: blockKind.id,
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
}
