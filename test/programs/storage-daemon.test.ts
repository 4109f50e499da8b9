import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { PeerClosedError, TimeoutError } from "../../src/core/base/index.ts";
import {
  ManagedProcess,
  startStorageDaemon,
  storageDaemonArguments,
  waitUntilListening,
} from "../../src/lab/programs/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { diskImage, needsProgram, temporaryDirectory } from "./support/index.ts";

guardLeaks();

const skip = needsProgram("qemu-storage-daemon");
const mebibyte = 1024 * 1024;

test(
  "a storage daemon is ready when it listens, and takes its socket along",
  { skip },
  async (t) => {
    const directory = temporaryDirectory(t);
    const socketPath = join(directory, "disk.sock");
    await using daemon = await startStorageDaemon({
      socketPath,
      imagePath: diskImage(directory, mebibyte),
      queues: 2,
    });
    assert.ok(existsSync(socketPath));
    assert.deepEqual(await daemon.stop(), { code: 0, signal: null });
    assert.equal(existsSync(socketPath), false);
  },
);

test(
  "a killed storage daemon leaves its socket, and the next one starts over it",
  { skip },
  async (t) => {
    const directory = temporaryDirectory(t);
    const socketPath = join(directory, "disk.sock");
    const options = { socketPath, imagePath: diskImage(directory, mebibyte) };
    await using first = await startStorageDaemon(options);
    await first.kill();
    assert.ok(existsSync(socketPath), "a leftover file");
    await assert.rejects(
      waitUntilListening(socketPath, { timeoutMs: 1 }),
      TimeoutError,
      "a socket file without a listener is not ready",
    );
    await using second = await startStorageDaemon(options);
    assert.equal(second.exit, undefined);
  },
);

test("paths with commas and spaces reach the storage daemon as they are", { skip }, async (t) => {
  const directory = temporaryDirectory(t);
  const socketPath = join(directory, "a, b.sock");
  await using _daemon = await startStorageDaemon({
    socketPath,
    imagePath: diskImage(directory, mebibyte),
    writable: false,
  });
  assert.ok(existsSync(socketPath));
});

test("a storage daemon that cannot start says why, at once", { skip }, async (t) => {
  const directory = temporaryDirectory(t);
  const options = { socketPath: join(directory, "s.sock"), imagePath: join(directory, "none.img") };
  await assert.rejects(startStorageDaemon(options), (error) => {
    assert.ok(error instanceof PeerClosedError);
    assert.match(error.message, /qemu-storage-daemon exited with code 1 before it listened on /);
    assert.match(error.message, /No such file or directory/);
    return true;
  });
});

test("a start that is no longer wanted ends the daemon", { skip }, async (t) => {
  const directory = temporaryDirectory(t);
  const socketPath = join(directory, "s.sock");
  const reason = new Error("no longer wanted");
  const imagePath = diskImage(directory, mebibyte);
  await assert.rejects(
    startStorageDaemon({ socketPath, imagePath, signal: AbortSignal.abort(reason) }),
    reason,
  );
  await using again = await ManagedProcess.spawn(
    "qemu-storage-daemon",
    // The daemon locks a writable image: this start shows that the first one is gone.
    storageDaemonArguments({ socketPath, imagePath }),
  );
  await waitUntilListening(socketPath, { process: again });
});

test("a socket with a listener is not taken over", { skip }, async (t) => {
  const directory = temporaryDirectory(t);
  const socketPath = join(directory, "disk.sock");
  const options = { socketPath, imagePath: diskImage(directory, mebibyte) };
  await using _first = await startStorageDaemon(options);
  await assert.rejects(startStorageDaemon(options), /another process already listens on /);
});
