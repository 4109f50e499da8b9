import assert from "node:assert/strict";
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import type { TestContext } from "node:test";
import { delay } from "../../../src/core/base/index.ts";
import { bootLinux } from "../../../src/lab/programs/index.ts";
import { type Running, Workspace } from "../../integration/support/index.ts";

const SIZE = 16 << 20;
const WRITERS = 3;

/** Writes without a pause, past the cache; ends when the host puts a word into the first sector. */
const script = `
  write() {
    n=0
    dd if=/dev/zero of=/tmp/f$1 bs=64k count=32 2>/dev/null
    while [ "$(dd if=/dev/vda bs=512 count=1 iflag=direct 2>/dev/null | head -c 4)" != stop ]; do
      at=$((n % 32))
      n=$((n + 1))
      dd if=/dev/urandom of=/tmp/f$1 bs=64k seek=$at count=1 conv=notrunc 2>/dev/null
      dd if=/tmp/f$1 of=/dev/vda bs=64k skip=$at seek=$(($1 * 64 + at)) count=1 oflag=direct conv=notrunc 2>/dev/null || echo "writer $1: write $n failed"
    done
    echo $n > /tmp/n$1
  }
  for i in 1 2 3; do write $i & done
  wait
  echo 3 > /proc/sys/vm/drop_caches
  for i in 1 2 3; do
    cat /tmp/n$i
    dd if=/dev/vda bs=64k skip=$((i * 64)) count=32 2>/dev/null | cmp - /tmp/f$i && echo same
  done
  dmesg | grep -iE 'I/O error|blk_update|vda.*(error|timed out)|blocked for more' || true`;

/**
 * Boots a Linux guest in QEMU whose disk is \`serve block\`, which is killed and started again while
 * the guest writes. The guest must not notice anything.
 *
 * @returns kills after which the next back-end found requests in flight
 */
export async function killUnderGuest(
  t: TestContext,
  kills: number,
  blkOptions: string,
  serve: readonly string[],
): Promise<number> {
  const space = new Workspace(t);
  const image = space.file("disk.img", Buffer.alloc(SIZE));
  const socket = space.path("disk.sock");
  const start = async (): Promise<Running> => {
    const server = space.start([
      "serve",
      "block",
      "--socket",
      socket,
      "--image",
      image,
      ...serve,
      "-v",
    ]);
    await server.printed(/listening on/);
    return server;
  };
  let replays = 0;
  let server = await start();
  const guest = bootLinux({
    script,
    modules: ["virtio_pci", "virtio_blk"],
    timeoutMs: 240_000,
    deviceArguments: [
      ["-chardev", `socket,id=disk0,path=${socket},reconnect=1`],
      ["-device", `vhost-user-blk-pci,chardev=disk0,${blkOptions}`],
    ].flat(),
  });
  // The wait for the guest below reports its failure; until then it is ignored.
  guest.catch(() => undefined);
  const disk = openSync(image, "r+");
  try {
    await wroteAnything(disk, guest);
    for (let kill = 0; kill < kills; kill += 1) {
      // The random instant is what is tested: time is waited for, and nothing depends on it.
      await delay(Math.random() * 500);
      await server.stop("SIGKILL");
      server = await start();
      await Promise.race([server.printed(/SET_VRING_ENABLE .*num=1/), guest]);
      if (/resubmitted from the in-flight region: \d+/.test(server.stderr)) replays += 1;
    }
    writeSync(disk, "stop", 0);
  } finally {
    closeSync(disk);
  }
  const result = await guest;
  const writes = result.output.trim().replaceAll("\n", " ");
  t.diagnostic(`${kills} kills, ${replays} of them with requests in flight; writes: ${writes}`);
  const lines = result.output.trim().split("\n");
  assert.equal(lines.length, 2 * WRITERS, result.output);
  for (let i = 0; i < WRITERS; i += 1) {
    assert.ok(Number(lines[2 * i]) > 0, result.output);
    assert.equal(lines[2 * i + 1], "same", result.output);
  }
  return replays;
}

/** Waits for the first write of the guest's first writer. */
async function wroteAnything(disk: number, guest: Promise<unknown>): Promise<void> {
  let ended = false;
  void guest.then(
    () => (ended = true),
    () => (ended = true),
  );
  const bytes = Buffer.alloc(512);
  while (!ended && bytes.every((byte) => byte === 0)) {
    await delay(20);
    readSync(disk, bytes, 0, 512, 64 * 65_536);
  }
}
