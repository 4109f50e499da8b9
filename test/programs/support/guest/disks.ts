import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { BackendServer, type BackendSession } from "../../../../src/endpoints/backend/index.ts";
import { BlockDevice, BlockFeature } from "../../../../src/endpoints/devices/block/index.ts";
import { BlockStorage } from "../../../../src/endpoints/storage/index.ts";
import { FrontendRequest, VirtioFeature } from "../../../../src/core/protocol/index.ts";
import type { RunningQueue } from "../../../../src/core/runtime/index.ts";
import { startStorageDaemon } from "../../../../src/lab/programs/index.ts";
import { Workspace } from "../../../integration/support/index.ts";
import { diskImage, sha256OfFile, temporaryDirectory } from "../temporary.ts";
import { ringKinds } from "./kinds.ts";
import type { Part, Printed } from "./machine.ts";

/** Bytes of each disk. */
const SIZE = 4 << 20;
/** Bytes at its begin that the guest leaves alone. */
const UNTOUCHED = 1 << 20;
const CPUS = 4;

/** A disk of random bytes that a guest is going to have. */
interface RandomDisk {
  /** Where its back-end has to listen. */
  readonly socketPath: string;
  readonly image: string;
  readonly before: Uint8Array;
}

function randomDisk(t: TestContext): RandomDisk {
  const directory = temporaryDirectory(t);
  const before = randomBytes(SIZE);
  const image = diskImage(directory, SIZE, before);
  return { socketPath: join(directory, "disk.sock"), image, before };
}

interface GuestDisk extends RandomDisk {
  /** Queues that QEMU is given, and that the guest has to use: at most one a processor. */
  readonly queues: number;
  /** Further properties of `vhost-user-blk-pci`, e.g. `packed=on`. */
  readonly properties: string;
}

const diskArguments = (disks: readonly Omit<GuestDisk, "image" | "before">[]): string[] =>
  disks.flatMap(({ socketPath, queues, properties }, i) => [
    "-chardev",
    `socket,id=disk${i},path=${socketPath}`,
    "-device",
    `vhost-user-blk-pci,chardev=disk${i},num-queues=${queues},${properties}`,
  ]);

/**
 * The guest reads each disk, writes it from every processor, so that every queue has work, and reads
 * it again.
 */
const CHECKSUMS = `
  set -e
  sum() { echo "$1 $2 $(sha256sum < /dev/$(disk $1) | cut -d ' ' -f 1)"; }
  for at in $PCI; do
    sum $at "$(ls -1 /sys/block/$(disk $at)/mq | wc -l)"
    for cpu in $(seq 0 ${CPUS - 1}); do
      write="taskset $((1 << cpu)) dd if=/dev/urandom of=/dev/$(disk $at) iflag=fullblock conv=fsync,notrunc"
      $write bs=64k count=6 seek=$((16 + 6 * cpu)) 2>/dev/null
      $write bs=4k count=25 seek=$((801 + 25 * cpu)) 2>/dev/null
    done
  done
  echo 3 > /proc/sys/vm/drop_caches
  for at in $PCI; do sum $at after; done`;

/** The checksums that the guest printed equal ours. */
function expectChecksums(
  disks: readonly GuestDisk[],
  { output, exitCode, console }: Printed,
): void {
  assert.equal(exitCode, 0, `${output}\n${console}`);
  const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
  const lines = output.trim().split(/\r?\n/);
  assert.deepEqual(
    lines.map((line) => line.replace(/^\S+ /, "")),
    [
      ...disks.map(({ before, queues }) => `${queues} ${sha256(before)}`),
      ...disks.map(({ image }) => `after ${sha256OfFile(image)}`),
    ],
  );
  for (const { before, image } of disks) {
    const after = readFileSync(image);
    assert.ok(after.subarray(0, UNTOUCHED).equals(before.subarray(0, UNTOUCHED)));
    assert.ok(!after.equals(before));
  }
}

async function serve(t: TestContext, queues: number) {
  const disk = randomDisk(t);
  const storage = BlockStorage.open(disk.image);
  t.after(() => storage.close());
  const sessions: BackendSession[] = [];
  const problems: string[] = [];
  const started = new Set<number>();
  /** Queues in which the driver made chains available. */
  const used = new Set<number>();
  class WatchedDisk extends BlockDevice {
    override process(running: RunningQueue): void {
      if (running.queue.hasNext()) used.add(running.index);
      super.process(running);
    }
  }
  const server = await BackendServer.listen(disk.socketPath, {
    device: () => new WatchedDisk({ storage, queues }),
    onSession: (session) => sessions.push(session),
    onProblem: ({ message }) => problems.push(message),
    observe: (_way, { header, payload }) => {
      if (header.request === FrontendRequest.SetVringKick) started.add(payload[0] ?? -1);
    },
  });
  t.after(() => server.close());
  return { ...disk, sessions, problems, started, used };
}

/** A disk for each kind of ring. */
export async function diskMatrix(t: TestContext, name: string): Promise<Part> {
  const disks = await Promise.all(
    ringKinds.map(async (kind) => ({
      ...kind,
      ...(await serve(t, kind.queues)),
      properties: `packed=${kind.packed},event_idx=${kind.eventIdx},indirect_desc=${kind.indirect}`,
    })),
  );
  return {
    name,
    modules: ["virtio_blk"],
    deviceArguments: diskArguments(disks),
    script: CHECKSUMS,
    verify: (_t, printed) => {
      expectChecksums(disks, printed);
      for (const { packed, queues, eventIdx, indirect, properties, ...served } of disks) {
        const [session, ...rest] = served.sessions;
        assert.equal(rest.length, 0, properties);
        const features = session?.negotiation.features ?? 0n;
        const has = (feature: bigint): boolean => (features & feature) !== 0n;
        assert.deepEqual(
          [
            VirtioFeature.RingPacked,
            BlockFeature.Mq,
            VirtioFeature.EventIdx,
            VirtioFeature.IndirectDesc,
          ].map(has),
          [packed === "on", queues > 1, eventIdx === "on", indirect === "on"],
          properties,
        );
        const all = new Set(Array.from({ length: queues }, (_, index) => index));
        assert.deepEqual(served.started, all, properties);
        assert.deepEqual(served.used, all, properties);
        assert.deepEqual(served.problems, [], properties);
      }
    },
  };
}

/** Disks of `serve block`: on the loop, and in workers. */
export async function servedDisks(t: TestContext, name: string): Promise<Part> {
  const space = new Workspace(t);
  const ways = [
    { queues: 1, properties: "packed=off", options: [] },
    { queues: 4, properties: "packed=on", options: ["--workers", "--ring-mode", "event"] },
    { queues: 4, properties: "packed=on", options: ["--workers", "--ring-mode", "hybrid"] },
  ];
  const disks = await Promise.all(
    ways.map(async ({ queues, properties, options }, i) => {
      const disk = randomDisk(t);
      const args = ["--image", disk.image, "--queues", `${queues}`, "-v", ...options];
      const { socket, server } = await space.serve(args, `disk${i}.sock`);
      return { ...disk, socketPath: socket, queues, properties, server };
    }),
  );
  return {
    name,
    modules: ["virtio_blk"],
    deviceArguments: diskArguments(disks),
    script: CHECKSUMS,
    verify: async (_t, printed) => {
      expectChecksums(disks, printed);
      for (const { server, properties } of disks) {
        const { code, stderr } = await server.stop("SIGTERM");
        assert.equal(code, 0, stderr);
        const acknowledged = stderr.match(/< VHOST_USER_SET_FEATURES .*/g)?.at(-1) ?? "";
        assert.equal(acknowledged.includes("VIRTIO_F_RING_PACKED"), properties === "packed=on");
      }
    },
  };
}

/** A disk of qemu-storage-daemon. */
export async function daemonDisk(t: TestContext, name: string): Promise<Part> {
  const size = 16 << 20;
  const directory = temporaryDirectory(t);
  const socketPath = join(directory, "disk.sock");
  const imagePath = diskImage(directory, size);
  const empty = sha256OfFile(imagePath);
  const daemon = await startStorageDaemon({ socketPath, imagePath, queues: 2 });
  t.after(async () => daemon.stop());
  return {
    name,
    modules: ["virtio_blk"],
    deviceArguments: diskArguments([{ socketPath, queues: 2, properties: "packed=off" }]),
    script: `
      set -e
      disk=$(disk $PCI)
      ls -1 /sys/block/$disk/mq
      yes 'vhost-user' | dd of=/dev/$disk bs=64k count=64 iflag=fullblock conv=fsync 2>/dev/null
      echo 3 > /proc/sys/vm/drop_caches
      sha256sum /dev/$disk | cut -d ' ' -f 1
      exit 7`,
    verify: (_t, { output, exitCode }) => {
      assert.equal(output, `0\n1\n${sha256OfFile(imagePath)}\n`);
      assert.notEqual(sha256OfFile(imagePath), empty);
      assert.equal(exitCode, 7);
    },
  };
}
