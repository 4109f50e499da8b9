import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../src/core/os/index.ts";
import { BackendServer } from "../../src/endpoints/backend/index.ts";
import { BlockDevice } from "../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../src/endpoints/storage/index.ts";
import { ManagedProcess, startStorageDaemon } from "../../src/lab/programs/index.ts";
import { replay } from "../../src/lab/replay/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { diskImage, needsProgram, temporaryDirectory } from "./support/index.ts";

guardLeaks();

/** QEMU 7.2 and the storage daemon: boot ROM, guest driver, power-off, on a disk of 32 MiB. */
const capture = readFileSync(
  join(packageRoot, "test/fixtures/captures/qemu-7.2-blk--qemu-storage-daemon-7.2.jsonl"),
  "utf8",
);
const DISK_BYTES = 32 << 20;
const QUEUES = 2;
/** What QEMU says before the guest's memory map decides about the rest. */
const BEFORE_MEMORY = 24;
const TIMEOUT_MS = 60_000;

test(
  "a recorded session of QEMU is replayed against qemu-storage-daemon, three times, as recorded",
  { skip: needsProgram("qemu-storage-daemon") },
  async (t) => {
    const directory = temporaryDirectory(t);
    const socketPath = join(directory, "disk.sock");
    const imagePath = diskImage(directory, DISK_BYTES);
    const options = { imagePath, socketPath, writable: true, queues: QUEUES };
    await using _daemon = await startStorageDaemon(options);
    for (let round = 0; round < 3; round += 1) {
      const result = await replay(capture, { socket: socketPath, timeoutMs: TIMEOUT_MS });
      assert.equal(result.divergence, undefined);
      assert.deepEqual([result.sent, result.compared], [46, 12]);
      assert.deepEqual([result.skipped, result.differences], [[], []]);
    }
  },
);

test("the same session is replayed against our back-end, which offers other features", async (t) => {
  const socket = join(temporaryDirectory(t), "disk.sock");
  const storage = BlockStorage.memory(DISK_BYTES);
  const problems: Error[] = [];
  const server = await BackendServer.listen(socket, {
    device: () => new BlockDevice({ storage, queues: QUEUES }),
    onProblem: (problem) => problems.push(problem),
  });
  t.after(() => {
    server.close();
    storage.close();
  });
  const strict = await replay(capture, { socket, timeoutMs: TIMEOUT_MS });
  assert.equal(strict.divergence?.number, 2);
  assert.match(strict.divergence?.expected ?? "", /^GET_FEATURES reply features=0x175007e46/);
  const adapted = await replay(capture, { socket, mode: "adapt", timeoutMs: TIMEOUT_MS });
  assert.equal(adapted.divergence, undefined);
  assert.deepEqual(
    adapted.differences.map(({ number }) => number),
    [2, 4, 9, 14, 20],
  );
  assert.deepEqual(problems, []);
});

test(
  "the storage daemon's side is played against QEMU, which asks what it asked",
  { skip: needsProgram("qemu-system-x86_64") },
  async (t) => {
    const socket = join(temporaryDirectory(t), "disk.sock");
    const playing = replay(capture, {
      socket,
      listen: true,
      role: "back-end",
      to: BEFORE_MEMORY,
      timeoutMs: TIMEOUT_MS,
    });
    const machine = ["-nodefaults", "-display", "none", "-accel", "tcg", "-smp", String(QUEUES)];
    const memory = ["-m", "256M", "-object", "memory-backend-memfd,id=m,size=256M,share=on"];
    await using qemu = await ManagedProcess.spawn("qemu-system-x86_64", [
      ...machine,
      ...memory,
      "-machine",
      "q35,memory-backend=m",
      "-chardev",
      `socket,id=d,path=${socket}`,
      "-device",
      `vhost-user-blk-pci,chardev=d,num-queues=${QUEUES}`,
    ]);
    const result = await playing;
    assert.equal(result.divergence, undefined, JSON.stringify(result.divergence));
    assert.equal(result.sent + result.compared, BEFORE_MEMORY);
    assert.equal(qemu.exit, undefined);
  },
);
