import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { bootLinux } from "../../src/lab/programs/index.ts";
import { Workspace } from "../integration/support/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { packageRoot } from "../support/package-root.ts";
import { needsGuest } from "./support/index.ts";

guardLeaks();

test(
  "a Linux guest reads random bytes from the entropy device of the examples",
  { skip: needsGuest() },
  async (t) => {
    const space = new Workspace(t);
    const socket = space.path("entropy.sock");
    const program = [
      process.execPath,
      join(packageRoot, "dist", "examples", "entropy", "serve.js"),
    ];
    const server = space.start([socket], { program });
    await server.printed(/listening on /);
    const { output, exitCode, console, durationMs } = await bootLinux({
      modules: ["virtio_pci", "virtio_rng"],
      deviceArguments: [
        "-chardev",
        `socket,id=rng0,path=${socket}`,
        "-device",
        "vhost-user-rng-pci,chardev=rng0",
      ],
      script: `
        cat /sys/class/misc/hw_random/rng_current
        for i in 1 2; do
          dd if=/dev/hwrng bs=32 count=1 iflag=fullblock 2>/dev/null | od -v -An -tx1 | tr -d ' \\n'; echo
        done
        dd if=/dev/hwrng bs=4096 count=16 iflag=fullblock 2>/dev/null | wc -c`,
    });
    t.diagnostic(`the guest took ${Math.round(durationMs)} ms`);
    assert.equal(exitCode, 0, console);
    const [source, first = "", second = "", count] = output.split(/\r?\n/);
    assert.match(source ?? "", /^virtio_rng/);
    assert.match(first, /^[0-9a-f]{64}$/);
    assert.match(second, /^[0-9a-f]{64}$/);
    assert.notEqual(first, second);
    assert.equal(Number(count), 16 * 4096);
    assert.equal((await server.stop("SIGTERM")).code, 0);
  },
);
