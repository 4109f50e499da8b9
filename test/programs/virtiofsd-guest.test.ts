import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { bootLinux, startVirtiofsd } from "../../src/lab/programs/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { needsGuest, needsRoot, temporaryDirectory } from "./support/index.ts";

guardLeaks();

test(
  "a Linux guest mounts the directory that virtiofsd shares, and writes into it",
  { skip: needsRoot() || needsGuest("virtiofsd") },
  async (t) => {
    const directory = temporaryDirectory(t);
    const sharedDirectory = join(directory, "shared");
    mkdirSync(sharedDirectory);
    writeFileSync(join(sharedDirectory, "from-host"), "hello guest\n");
    const socketPath = join(directory, "fs.sock");
    await using _daemon = await startVirtiofsd({ socketPath, sharedDirectory });
    const { output, exitCode } = await bootLinux({
      modules: ["virtio_pci", "virtiofs"],
      deviceArguments: [
        "-chardev",
        `socket,id=fs0,path=${socketPath}`,
        "-device",
        "vhost-user-fs-pci,chardev=fs0,tag=shared",
      ],
      script: `
        set -e
        mount -t virtiofs shared /mnt
        cat /mnt/from-host
        echo hello host > /mnt/from-guest
        umount /mnt`,
    });
    assert.equal(output, "hello guest\n");
    assert.equal(exitCode, 0);
    assert.equal(readFileSync(join(sharedDirectory, "from-guest"), "utf8"), "hello host\n");
  },
);
