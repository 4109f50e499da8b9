import { blockKind } from "../../src/endpoints/devices/block/kind.ts";
import { fsKind } from "../../src/endpoints/devices/fs/kind.ts";
import { gpuKind } from "../../src/endpoints/devices/gpu/kind.ts";
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { recognise } from "../../src/app/cli/commands/conform/recognise.ts";
import { findProgram } from "../../src/lab/programs/index.ts";
import { guardLeaksOfFile } from "../support/leak-guard.ts";
import {
  judged,
  judgedFrontend,
  qemu,
  QEMU_DISK,
  storageDaemon,
  unexpected,
  verdictsByContent,
} from "./support/conform.ts";
import { needsProgram, needsRoot, temporaryDirectory } from "./support/index.ts";

guardLeaksOfFile();

// They mostly wait.
describe("programs that wait for events", { concurrency: 3 }, () => {
  test(
    "qemu-storage-daemon is judged as its baseline says",
    { skip: needsProgram("qemu-storage-daemon") },
    async (t) => {
      const results = await judged(t, blockKind, storageDaemon(t));
      assert.deepEqual(unexpected(results, "qemu-storage-daemon-7.2"), []);
      // For the reason that the baseline gives, and not because it serves one session at a time.
      for (const id of ["ack/9", "enable/1", "features/14"]) {
        assert.match(results.find((result) => result.id === id)?.reason ?? "", /^a write was done/);
      }
    },
  );

  test(
    "virtiofsd is judged as its baseline says",
    { skip: needsRoot() || needsProgram("virtiofsd") },
    async (t) => {
      const folder = join(temporaryDirectory(t), "shared");
      mkdirSync(folder);
      // In a sandbox of its own a process would hide which signal ended it.
      const results = await judged(
        t,
        fsKind,
        `${findProgram("virtiofsd")} --socket-path={socket} -o source=${folder} -o sandbox=chroot`,
      );
      assert.deepEqual(unexpected(results, "virtiofsd-7.2"), []);
    },
  );

  test(
    "vhost-user-gpu is judged as its baseline says",
    { skip: needsProgram("vhost-user-gpu") },
    async (t) => {
      const command = `${findProgram("vhost-user-gpu")} --socket-path={socket}`;
      const results = await judged(t, gpuKind, command);
      assert.deepEqual(unexpected(results, "vhost-user-gpu-7.2"), []);
      assert.ok(results.filter(({ verdict }) => verdict === "PASS").length >= 60);
    },
  );

  test(
    "qemu-storage-daemon is judged alike on a disk of holes, of zeroes and of noise",
    { skip: needsProgram("qemu-storage-daemon") },
    async (t) => {
      const { holes, zeroes, noise } = await verdictsByContent(t);
      assert.ok(holes?.includes("clean/1 PASS"), holes?.join("\n"));
      assert.deepEqual([zeroes, noise], [holes, holes]);
    },
  );

  test("QEMU's front-end passes", { skip: needsProgram("qemu-system-x86_64") }, async () => {
    const results = await judgedFrontend(blockKind, qemu(QEMU_DISK));
    assert.deepEqual(unexpected(results, "qemu-7.2"), []);
  });
});

test(
  "real programs are recognised by the version that they print",
  { skip: needsProgram("qemu-storage-daemon", "virtiofsd", "qemu-system-x86_64") },
  async () => {
    for (const [command, name] of [
      ["qemu-storage-daemon --export {socket}", "qemu-storage-daemon-7.2"],
      [`env A=1 ${findProgram("virtiofsd")} --socket-path={socket}`, "virtiofsd-7.2"],
      ["qemu-system-x86_64 -chardev socket,path={socket}", "qemu-7.2"],
    ] as const) {
      assert.equal((await recognise(command, false))?.name, name);
      assert.equal(await recognise(command, true), undefined, "a shell starts it");
    }
  },
);
