import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { bootLinux } from "../../src/peers/index.ts";
import { Workspace } from "../integration/support/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { BIG_BYTES, makeSharedFolder, MANY } from "./support/shared-folder.ts";
import { needsGuest } from "./support/index.ts";

guardLeaks();

for (const packed of ["off", "on"]) {
  test(
    `a Linux guest mounts serve fs, reads what is there and nothing else: packed ${packed}`,
    { skip: needsGuest() },
    async (t) => {
      const space = new Workspace(t);
      const { path, big } = makeSharedFolder(space.folder);
      const socket = space.path("fs.sock");
      const args = ["--socket", socket, "--dir", path, "--tag", "host files", "-v"];
      const server = space.start(["serve", "fs", ...args]);
      await server.printed(/listening on /);
      const result = await bootLinux({
        modules: ["virtio_pci", "virtiofs"],
        deviceArguments: [
          "-chardev",
          `socket,id=fs0,path=${socket}`,
          "-device",
          `vhost-user-fs-pci,chardev=fs0,tag=host files,packed=${packed}`,
        ],
        // The guest's own /etc/secret is what a link to that path means to it.
        script: `
          mkdir /etc /secrets; echo "the guest's own" > /etc/secret; echo "of the guest" > /secret
          mount -t virtiofs "host files" /mnt || exit 1
          sha256sum < /mnt/big
          stat -c '%s %a %F' /mnt/big
          ls /mnt/many | wc -l
          ls /mnt/many | sort -u | wc -l
          (cd /mnt; find . -mindepth 1 -maxdepth 1) | sort | od -v -An -tx1 | tr -d ' \\n'; echo
          cat /mnt/inside
          readlink /mnt/up
          cat /mnt/up
          cat /mnt/absolute
          ls /mnt/above/many
          ls /mnt/inner/.. | wc -l
          cat /mnt/inner/../../secret
          echo changed > /mnt/big
          touch /mnt/new
          rm /mnt/big
          mkdir /mnt/folder
          chmod 777 /mnt/big
          mv /mnt/big /mnt/small
          df /mnt > /dev/null && echo statfs works
          dd if=/mnt/big bs=1000 skip=5000 count=3 2>/dev/null | sha256sum
          umount /mnt
          mount -t virtiofs "host files" /mnt && ls /mnt/inner
          umount /mnt`,
      });
      t.diagnostic(`the guest took ${Math.round(result.durationMs)} ms`);
      const sum = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
      const names = readdirSync(path, { encoding: "buffer" }).sort((a, b) => Buffer.compare(a, b));
      const listed = Buffer.concat(
        names.flatMap((name) => [Buffer.from("./"), name, Buffer.from("\n")]),
      );
      assert.deepEqual(
        result.output.trimEnd().split("\n"),
        [
          `${sum(big)}  -`,
          `${BIG_BYTES} ${(statSync(join(path, "big")).mode & 0o777).toString(8)} regular file`,
          `${MANY}`,
          `${MANY}`,
          listed.toString("hex"),
          "hello from the host",
          "../secret",
          "of the guest",
          "the guest's own",
          "ls: /mnt/above/many: No such file or directory",
          `${names.length}`,
          "of the guest",
          "/script: line 16: can't create /mnt/big: Read-only file system",
          "touch: /mnt/new: Read-only file system",
          "rm: can't remove '/mnt/big': Read-only file system",
          "mkdir: can't create directory '/mnt/folder': Read-only file system",
          "chmod: /mnt/big: Read-only file system",
          "mv: can't rename '/mnt/big': Read-only file system",
          "statfs works",
          `${sum(big.subarray(5_000_000, 5_003_000))}  -`,
          "deep",
        ],
        result.console,
      );
      assert.ok(Buffer.from(big).equals(readFileSync(join(path, "big"))));
      assert.equal((await server.stop("SIGTERM")).code, 0);
      const acknowledged = server.stderr.match(/< VHOST_USER_SET_FEATURES .*/g)?.at(-1) ?? "";
      assert.equal(acknowledged.includes("VIRTIO_F_RING_PACKED"), packed === "on");
    },
  );
}
