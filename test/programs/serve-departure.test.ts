import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { ManagedProcess } from "../../src/lab/programs/index.ts";
import { sharedMemoryArguments } from "../../src/lab/programs/known/qemu-options.ts";
import { Workspace } from "../integration/support/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { needsProgram } from "./support/index.ts";

guardLeaks();

const skip = needsProgram("qemu-system-x86_64");
const SHARED = ["-machine", "q35,memory-backend=memory0", ...sharedMemoryArguments(64)];
/** QEMU's own memory: no descriptor, so its memory table stays empty. */
const ANONYMOUS = ["-machine", "q35", "-m", "64M"];

/** A memfd that the back-end can map, and to whose pages the guest does not write. */
const PRIVATE = SHARED.map((word) => word.replace("share=on", "share=off"));

interface Machine {
  readonly title: string;
  readonly device: "block" | "net" | "fs";
  readonly serve: readonly string[];
  readonly memory: readonly string[];
  readonly arguments: (socket: string) => readonly string[];
  readonly line: RegExp;
}

const disk = (socket: string, properties = "", ...more: string[]): string[] => [
  "-chardev",
  `socket,id=disk0,path=${socket}`,
  "-device",
  `vhost-user-blk-pci,chardev=disk0,bootindex=0${properties}`,
  ...more,
];
const card = (socket: string, netdev: string, device: string): string[] => [
  "-chardev",
  `socket,id=net0,path=${socket}`,
  "-netdev",
  `vhost-user,id=n0,chardev=net0${netdev}`,
  "-device",
  `virtio-net-pci,netdev=n0,vectors=0,${device}`,
];

const machines: readonly Machine[] = [
  {
    title: "a disk for four processors",
    device: "block",
    serve: ["--queues", "2"],
    memory: SHARED,
    arguments: (socket) => disk(socket, "", "-smp", "4"),
    line: /front-end left after it read the number of queues, 2: if it needs more, offer them with --queues/,
  },
  {
    title: "a network card with four queue pairs",
    device: "net",
    serve: [],
    memory: SHARED,
    arguments: (socket) => card(socket, ",queues=4", "romfile="),
    line: /front-end left after it read the number of queues, 1 \(pairs\): if it needs more/,
  },
  {
    title: "a file system with four request queues",
    device: "fs",
    serve: ["--dir", "."],
    memory: SHARED,
    arguments: (socket) => [
      "-chardev",
      `socket,id=fs0,path=${socket}`,
      "-device",
      "vhost-user-fs-pci,chardev=fs0,tag=shared,num-request-queues=4",
    ],
    line: /front-end left: .*there is no ring 2: the device offers 2 rings; offer more with --queues/,
  },
  {
    title: "a disk with a legacy driver",
    device: "block",
    serve: [],
    memory: SHARED,
    arguments: (socket) => disk(socket, ",disable-modern=on,disable-legacy=off"),
    line: /front-end left: VHOST_USER_SET_FEATURES: the driver did not acknowledge VIRTIO_F_VERSION_1/,
  },
  {
    title: "a disk of a machine whose memory is not shared",
    device: "block",
    serve: [],
    memory: ANONYMOUS,
    arguments: (socket) => disk(socket),
    line: /front-end left: .*ring 0.* is outside shared memory: the front-end shared no memory; is share=on missing at the memory backend\?/,
  },
];

/** Serves the device to the machine until its line was printed. */
async function meet(t: TestContext, machine: Machine): Promise<string> {
  const space = new Workspace(t);
  const { socket, server } = await space.serve(machine.serve, "device.sock", machine.device);
  const bare = ["-nodefaults", "-no-user-config", "-display", "none", "-accel", "tcg"];
  await using _qemu = await ManagedProcess.spawn("qemu-system-x86_64", [
    ...bare,
    ...machine.memory,
    ...machine.arguments(socket),
  ]);
  await server.printed(machine.line);
  return (await server.stop("SIGTERM")).stderr;
}

for (const machine of machines) {
  test(`serve says why QEMU left: ${machine.title}`, { skip }, async (t) => {
    const stderr = await meet(t, machine);
    // The refusal is not printed a second time.
    assert.doesNotMatch(stderr, /problem: .*(outside shared memory|there is no ring)/);
  });
}

for (const workers of [[], ["--workers"]]) {
  const where = workers.length === 0 ? "" : ", in a worker";
  test(
    `serve says that QEMU's memory is private, while the guest waits${where}`,
    { skip },
    async (t) => {
      await meet(t, {
        title: "",
        device: "block",
        serve: workers,
        memory: PRIVATE,
        arguments: (socket) => disk(socket),
        line: /problem: ring 0 was kicked, but it and the beginning of its memory region hold only zeroes: what the driver writes does not arrive here; is share=on missing at the memory backend\?/,
      });
    },
  );
}
