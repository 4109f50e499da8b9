import { fsKind } from "../../src/endpoints/devices/fs/kind.ts";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BackendServer } from "../../src/endpoints/backend/index.ts";
import { FsDevice, SharedFolder } from "../../src/endpoints/devices/fs/index.ts";
import { bootLinux, bootUml } from "../../src/lab/programs/index.ts";
import { Workspace } from "../integration/support/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { BIG_BYTES, makeSharedFolder, MANY } from "./support/shared-folder.ts";
import { needsGuest, needsProgram, temporaryDirectory } from "./support/index.ts";
import { until } from "./support/net.ts";

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

test(
  "what a Linux guest forgets is let go: its count of look-ups is ours",
  { skip: needsGuest() },
  async (t) => {
    const directory = temporaryDirectory(t);
    const { path } = makeSharedFolder(directory);
    const folder = SharedFolder.open(path);
    const socketPath = join(directory, "fs.sock");
    const server = await BackendServer.listen(socketPath, {
      device: () => new FsDevice({ folder }),
    });
    t.after(async () => {
      server.close();
      await until(() => server.sessions.size === 0, "the session to end");
      assert.equal(folder.descriptors, 0);
      folder.close();
    });
    const guest = bootLinux({
      modules: ["virtio_pci", "virtiofs"],
      deviceArguments: [
        "-chardev",
        `socket,id=fs0,path=${socketPath}`,
        "-device",
        "vhost-user-fs-pci,chardev=fs0,tag=shared",
      ],
      // By listing, and once more one by one.
      script: `
        mount -t virtiofs shared /mnt
        ls -l /mnt/many | wc -l
        stat /mnt/many/* | grep -c File:
        while [ ! -e /mnt/known ]; do sleep 0.1; done
        echo 2 > /proc/sys/vm/drop_caches
        while [ ! -e /mnt/forgotten ]; do sleep 0.1; done
        umount /mnt`,
      timeoutMs: 120_000,
    });
    const ended = guest.then(
      () => "ended",
      () => "failed",
    );
    await until(() => folder.descriptors >= MANY, "the guest to know all files", 60_000);
    writeFileSync(join(path, "known"), "");
    await until(() => folder.descriptors < MANY / 10, "the guest to forget them", 60_000);
    assert.notEqual(await Promise.race([ended, Promise.resolve("running")]), "ended");
    writeFileSync(join(path, "forgotten"), "");
    const { output, durationMs } = await guest;
    t.diagnostic(`the guest took ${Math.round(durationMs)} ms`);
    assert.equal(output, `${MANY + 1}\n${MANY}\n`);
  },
);
