import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import { bootGuest } from "../../src/peers/index.ts";
import { Workspace } from "../integration/support/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { needsGuest, sha256OfFile } from "./support/index.ts";

guardLeaks();

const SIZE = 16 << 20;

for (const mode of ["event", "hybrid"]) {
  test(
    `a Linux guest's checksums equal ours with four queues in workers, ${mode}`,
    { skip: needsGuest() },
    async (t) => {
      const space = new Workspace(t);
      const before = randomBytes(SIZE);
      const image = space.file("disk.img", before);
      const options = ["--image", image, "--queues", "4", "--workers", "--mode", mode];
      const { socket, server } = await space.serve(options);
      const result = await bootGuest({
        socketPath: socket,
        cpus: 4,
        blkOptions: "num-queues=4,packed=on",
        script: `
          set -e
          ls -1 /sys/block/vda/mq | wc -l
          sha256sum /dev/vda | cut -d ' ' -f 1
          dd if=/dev/urandom of=/dev/vda bs=64k count=64 seek=32 iflag=fullblock conv=fsync,notrunc 2>/dev/null
          echo 3 > /proc/sys/vm/drop_caches
          sha256sum /dev/vda | cut -d ' ' -f 1`,
      });
      t.diagnostic(`the guest took ${Math.round(result.durationMs)} ms`);
      assert.equal(result.exitCode, 0, result.console);
      const sum = createHash("sha256").update(before).digest("hex");
      assert.equal(result.output, `4\n${sum}\n${sha256OfFile(image)}\n`);
      assert.equal((await server.stop("SIGTERM")).code, 0);
    },
  );
}
