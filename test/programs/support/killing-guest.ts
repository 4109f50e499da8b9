import assert from "node:assert/strict";
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import type { TestContext } from "node:test";
import { delay } from "../../../src/core/base/index.ts";
import { bootLinux } from "../../../src/lab/programs/index.ts";
import { type Running, Workspace } from "../../integration/support/index.ts";
import { until } from "../../support/until.ts";

const SIZE = 16 << 20;
const WRITERS = 3;
const BOOT_MS = 100_000;

/**
 * Writes to `$disk` without a pause, past the cache; ends when the host puts a word into the first
 * sector.
 */
export const WRITING_SCRIPT = `
  write() {
    n=0
    dd if=/dev/zero of=/tmp/f$1 bs=64k count=32 2>/dev/null
    while [ "$(dd if=/dev/$disk bs=512 count=1 iflag=direct 2>/dev/null | head -c 4)" != stop ]; do
      at=$((n % 32))
      n=$((n + 1))
      dd if=/dev/urandom of=/tmp/f$1 bs=64k seek=$at count=1 conv=notrunc 2>/dev/null
      dd if=/tmp/f$1 of=/dev/$disk bs=64k skip=$at seek=$(($1 * 64 + at)) count=1 oflag=direct conv=notrunc 2>/dev/null || echo "writer $1: write $n failed"
    done
    echo $n > /tmp/n$1
  }
  for i in 1 2 3; do write $i & done
  wait
  echo 3 > /proc/sys/vm/drop_caches
  for i in 1 2 3; do
    cat /tmp/n$i
    dd if=/dev/$disk bs=64k skip=$((i * 64)) count=32 2>/dev/null | cmp - /tmp/f$i && echo same
  done
  dmesg | grep -iE "I/O error|blk_update|$disk.*(error|timed out)|blocked for more" || true`;

export interface KillingBackend {
  readonly socket: string;
  /**
   * Kills the back-end and starts it again while a guest runs the script.
   *
   * @param withinMs by when the guest has to write
   * @returns kills after which the next back-end found requests in flight
   */
  killAll(withinMs: number): Promise<number>;
  /** The guest has not noticed anything, by what its script printed. */
  verify(t: TestContext, output: string): void;
}

/** A disk of `serve block`, to be killed that often. */
export async function killingBackend(
  t: TestContext,
  kills: number,
  serve: readonly string[],
): Promise<KillingBackend> {
  const space = new Workspace(t);
  const image = space.file("disk.img", Buffer.alloc(SIZE));
  const socket = space.path("disk.sock");
  const words = ["serve", "block", "--socket", socket, "--image", image, ...serve, "-v"];
  const start = async (): Promise<Running> => {
    const server = space.start(words);
    await server.printed(/listening on/);
    return server;
  };
  let server = await start();
  return {
    socket,
    async killAll(withinMs) {
      const disk = openSync(image, "r+");
      let replays = 0;
      try {
        await until(() => wroteAnything(disk), "the guest to write", withinMs);
        for (let kill = 0; kill < kills; kill += 1) {
          // The random instant is what is tested: time is waited for, and nothing depends on it.
          await delay(Math.random() * 500);
          await server.stop("SIGKILL");
          server = await start();
          await server.printed(/SET_VRING_ENABLE .*num=1/);
          if (/resubmitted from the in-flight region: \d+/.test(server.stderr)) replays += 1;
        }
        writeSync(disk, "stop", 0);
      } finally {
        closeSync(disk);
      }
      return replays;
    },
    verify(own, output) {
      own.diagnostic(`${kills} kills; writes: ${output.trim().replaceAll("\n", " ")}`);
      const lines = output.trim().split("\n");
      assert.equal(lines.length, 2 * WRITERS, output);
      for (let i = 0; i < WRITERS; i += 1) {
        assert.ok(Number(lines[2 * i]) > 0, output);
        assert.equal(lines[2 * i + 1], "same", output);
      }
    },
  };
}

/**
 * Boots a Linux guest in QEMU whose disk is `serve block`, which is killed and started again while
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
  const backend = await killingBackend(t, kills, serve);
  const guest = bootLinux({
    script: `disk=vda\n${WRITING_SCRIPT}`,
    modules: ["virtio_pci", "virtio_blk"],
    timeoutMs: 240_000,
    deviceArguments: [
      ["-chardev", `socket,id=disk0,path=${backend.socket},reconnect=1`],
      ["-device", `vhost-user-blk-pci,chardev=disk0,${blkOptions}`],
    ].flat(),
  });
  const [{ output }, replays] = await Promise.all([guest, backend.killAll(BOOT_MS)]);
  backend.verify(t, output);
  return replays;
}

/** Whether the guest's first writer has. */
function wroteAnything(disk: number): boolean {
  const bytes = Buffer.alloc(512);
  readSync(disk, bytes, 0, 512, 64 * 65_536);
  return bytes.some((byte) => byte !== 0);
}
