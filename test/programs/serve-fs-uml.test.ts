import { fsKind } from "../../src/endpoints/devices/fs/kind.ts";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { bootUml } from "../../src/lab/programs/index.ts";
import { Workspace } from "../integration/support/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { makeSharedFolder, MANY } from "./support/shared-folder.ts";
import { needsProgram } from "./support/index.ts";

guardLeaks();

test(
  "User Mode Linux takes the tag from our configuration space, and reads the same",
  { skip: needsProgram("linux.uml", "busybox") },
  async (t) => {
    const space = new Workspace(t);
    const { path, big } = makeSharedFolder(space.folder);
    const socket = space.path("fs.sock");
    const tag = "a tag of all the 36 bytes it may have!!";
    const args = ["--socket", socket, "--dir", path, "--tag", tag.slice(0, 36), "--queues", "2"];
    const server = space.start(["serve", "fs", ...args]);
    await server.printed(/listening on /);
    const result = await bootUml({
      socketPath: socket,
      deviceId: fsKind.id,
      script: `
        mount -t virtiofs "${tag}" /mnt && exit 1
        mount -t virtiofs "${tag.slice(0, 36)}" /mnt || exit 2
        sha256sum < /mnt/big
        ls /mnt/many | wc -l
        cat /mnt/up
        touch /mnt/new
        umount /mnt`,
    });
    t.diagnostic(`it took ${Math.round(result.durationMs)} ms`);
    const sum = createHash("sha256").update(big).digest("hex");
    assert.match(result.output, new RegExp(`^${sum}  -\n${MANY}\n`, "m"), result.console);
    assert.match(result.output, /cat: can't open '\/mnt\/up': No such file or directory/);
    assert.match(result.output, /touch: \/mnt\/new: Read-only file system/);
    assert.equal((await server.stop("SIGTERM")).code, 0);
  },
);
