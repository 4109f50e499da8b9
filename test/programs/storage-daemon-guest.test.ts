import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { PeerClosedError, TimeoutError } from "../../src/core/base/index.ts";
import {
  bootedExitCode,
  bootFirmware,
  bootGuest,
  bootSector,
  startStorageDaemon,
} from "../../src/lab/programs/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { diskImage, needsGuest, needsProgram, temporaryDirectory } from "./support/index.ts";

guardLeaks();

const skipGuest = needsGuest("qemu-storage-daemon");
const skipFirmware = needsProgram("qemu-system-x86_64", "qemu-storage-daemon");
const mebibyte = 1024 * 1024;

test("a guest that does not power off in time is ended", { skip: skipGuest }, async (t) => {
  const directory = temporaryDirectory(t);
  const socketPath = join(directory, "disk.sock");
  const imagePath = diskImage(directory, mebibyte);
  await using _daemon = await startStorageDaemon({ socketPath, imagePath });
  await assert.rejects(bootGuest({ socketPath, script: "", timeoutMs: 200 }), (error) => {
    assert.ok(error instanceof TimeoutError);
    assert.match(error.message, /the guest did not power off within 200 ms/);
    return true;
  });
});

test(
  "a machine without its disk says what QEMU complained about",
  { skip: skipGuest },
  async (t) => {
    const socketPath = join(temporaryDirectory(t), "missing.sock");
    await assert.rejects(bootGuest({ socketPath, script: "" }), (error) => {
      assert.ok(error instanceof PeerClosedError);
      assert.match(error.message, /before the script began \(QEMU's exit code: 1\)/);
      assert.match(error.message, /missing\.sock/);
      return true;
    });
  },
);

test(
  "a PC's firmware boots from sector 0 of the storage daemon's disk",
  { skip: skipFirmware },
  async (t) => {
    const directory = temporaryDirectory(t);
    const socketPath = join(directory, "disk.sock");
    const imagePath = diskImage(directory, mebibyte, bootSector("booted from vhost-user"));
    await using _daemon = await startStorageDaemon({ socketPath, imagePath });
    const result = await bootFirmware({ socketPath });
    t.diagnostic(`the firmware took ${Math.round(result.durationMs)} ms`);
    assert.equal(result.message, "booted from vhost-user");
    assert.equal(result.exitCode, bootedExitCode);
  },
);

test(
  "a disk that is not bootable lets the firmware give up, and that is a time-out",
  { skip: skipFirmware },
  async (t) => {
    const directory = temporaryDirectory(t);
    const socketPath = join(directory, "disk.sock");
    await using _daemon = await startStorageDaemon({
      socketPath,
      imagePath: diskImage(directory, mebibyte),
    });
    await assert.rejects(bootFirmware({ socketPath, timeoutMs: 500 }), TimeoutError);
  },
);
