import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { BackendServer } from "../../../../src/endpoints/backend/index.ts";
import { FsDevice, SharedFolder } from "../../../../src/endpoints/devices/fs/index.ts";
import { startVirtiofsd } from "../../../../src/lab/programs/index.ts";
import { Workspace } from "../../../integration/support/index.ts";
import { BIG_BYTES, makeSharedFolder, MANY } from "../shared-folder.ts";
import { temporaryDirectory } from "../temporary.ts";
import type { Part } from "./machine.ts";
import { until } from "../../../support/until.ts";

const SCRIPT_BEGINS_MS = 200_000;

const folderArguments = (socketPath: string, properties: string): string[] => [
  "-chardev",
  `socket,id=fs,path=${socketPath}`,
  "-device",
  `vhost-user-fs-pci,chardev=fs,${properties}`,
];

/** A folder of `serve fs`: the guest reads what is there and nothing else. */
export async function servedFolder(
  t: TestContext,
  name: string,
  packed: "on" | "off",
): Promise<Part> {
  const space = new Workspace(t);
  const { path, big } = makeSharedFolder(space.folder);
  const tag = `host files ${packed}`;
  const args = ["--dir", path, "--tag", tag, "-v"];
  const { socket, server } = await space.serve(args, "fs.sock", "fs");
  return {
    name,
    modules: ["virtiofs"],
    deviceArguments: folderArguments(socket, `tag=${tag},packed=${packed}`),
    // The guest's own /etc/secret is what a link to that path means to it.
    script: `
      mkdir -p /etc /secrets; echo "the guest's own" > /etc/secret; echo "of the guest" > /secret
      mount -t virtiofs "${tag}" /mnt || exit 1
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
      mount -t virtiofs "${tag}" /mnt && ls /mnt/inner
      umount /mnt`,
    verify: async (_t, { output, console }) => {
      const sum = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
      const names = readdirSync(path, { encoding: "buffer" }).sort((a, b) => Buffer.compare(a, b));
      const listed = Buffer.concat(
        names.flatMap((each) => [Buffer.from("./"), each, Buffer.from("\n")]),
      );
      // The shell names its script and line.
      const lines = output
        .trimEnd()
        .replaceAll(/^\S+: line \d+: /gm, "shell: ")
        .split("\n");
      assert.deepEqual(
        lines,
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
          "shell: can't create /mnt/big: Read-only file system",
          "touch: /mnt/new: Read-only file system",
          "rm: can't remove '/mnt/big': Read-only file system",
          "mkdir: can't create directory '/mnt/folder': Read-only file system",
          "chmod: /mnt/big: Read-only file system",
          "mv: can't rename '/mnt/big': Read-only file system",
          "statfs works",
          `${sum(big.subarray(5_000_000, 5_003_000))}  -`,
          "deep",
        ],
        console,
      );
      assert.ok(Buffer.from(big).equals(readFileSync(join(path, "big"))));
      assert.equal((await server.stop("SIGTERM")).code, 0);
      const acknowledged = server.stderr.match(/< VHOST_USER_SET_FEATURES .*/g)?.at(-1) ?? "";
      assert.equal(acknowledged.includes("VIRTIO_F_RING_PACKED"), packed === "on");
    },
  };
}

/** A folder whose count of look-ups is ours and the guest's. */
export async function forgottenFolder(t: TestContext, name: string): Promise<Part> {
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
  return {
    name,
    modules: ["virtiofs"],
    deviceArguments: folderArguments(socketPath, "tag=forgotten"),
    // By listing, and once more one by one.
    script: `
      mount -t virtiofs forgotten /mnt
      ls -l /mnt/many | wc -l
      stat /mnt/many/* | grep -c File:
      while [ ! -e /mnt/known ]; do sleep 0.1; done
      echo 2 > /proc/sys/vm/drop_caches
      while [ ! -e /mnt/forgotten ]; do sleep 0.1; done
      umount /mnt`,
    beside: async () => {
      const known = (): boolean => folder.descriptors >= MANY;
      await until(known, "the guest to know all files", SCRIPT_BEGINS_MS);
      writeFileSync(join(path, "known"), "");
      await until(() => folder.descriptors < MANY / 10, "the guest to forget them", 60_000);
      // It still has the folder: only this lets it go on.
      writeFileSync(join(path, "forgotten"), "");
    },
    verify: (_t, { output }) => {
      assert.equal(output, `${MANY + 1}\n${MANY}\n`);
    },
  };
}

/** A folder of virtiofsd, which the guest writes. */
export async function virtiofsdFolder(t: TestContext, name: string): Promise<Part> {
  const directory = temporaryDirectory(t);
  const sharedDirectory = join(directory, "shared");
  mkdirSync(sharedDirectory);
  writeFileSync(join(sharedDirectory, "from-host"), "hello guest\n");
  const socketPath = join(directory, "fs.sock");
  const daemon = await startVirtiofsd({ socketPath, sharedDirectory });
  t.after(async () => daemon.stop());
  return {
    name,
    modules: ["virtiofs"],
    deviceArguments: folderArguments(socketPath, "tag=writable"),
    script: `
      set -e
      mount -t virtiofs writable /mnt
      cat /mnt/from-host
      echo hello host > /mnt/from-guest
      umount /mnt`,
    verify: (_t, { output, exitCode }) => {
      assert.equal(output, "hello guest\n");
      assert.equal(exitCode, 0);
      assert.equal(readFileSync(join(sharedDirectory, "from-guest"), "utf8"), "hello host\n");
    },
  };
}
