import { type Law, roomOf } from "./law.ts";

/** What the files of a device type, which has no single index, are entered by. */
const ENTRIES = /(?:^|\/)(?:index|kind|type|registry|kit)\.ts$/;

/** Files of src that tests import past an index, and why. */
export const EXCEPTIONS: Readonly<Record<string, string>> = {
  "app/cli/exit-code.ts": "the reference lists the exit codes",
  "app/cli/output.ts": "the documents' commands are parsed by the real command line",
  "app/cli/program.ts": "the documents' commands are parsed by the real command line",
  "app/cli/text-width.ts": "columns of a terminal are counted as the command counts them",
  "app/cli/commands/conform/recognise.ts": "real programs are recognised by what they print",
  "core/virtqueue/descriptor.ts": "descriptors that a device half reads are counted",
  "endpoints/devices/block/device/worker.ts": "a worker with a ring server that misbehaves",
  "endpoints/devices/fs/layout.ts": "FUSE messages, as a driver or a server writes them",
  "endpoints/devices/fs/wire.ts": "FUSE messages, as a driver or a server writes them",
  "endpoints/frontend/migration/page-log.ts": "the log of a front-end that migrates",
  "lab/faults/wrapped-device.ts": "mutants of checks wrap devices as faults do",
  "lab/faults/wrapped-queue.ts": "mutants of checks wrap queues as faults do",
  "lab/kits/block/workloads/load.ts":
    "a load in a thread, whose module a client starts by its path",
  "lab/kits/net/workloads/load.ts": "a load in a thread, whose module a client starts by its path",
  "lab/programs/guest/initramfs.ts": "a guest of the test's own",
  "lab/programs/known/qemu-options.ts": "a QEMU of the test's own",
  "lab/programs/ledger/ledger-folder.ts": "a ledger that another process holds",
  "lab/programs/ledger/ledger-lock.ts": "a ledger that another process holds",
  "lab/programs/machine/kvm.ts": "the limits by which KVM is judged",
  "lab/programs/server/server-options.ts": "the name of a server in the ledger",
  "lab/workloads/bench/threads.ts": "a load in a thread, whose progress the test reads",
  "lab/workloads/pattern.ts": "data that a test verifies is written as the commands write it",
};

/** Whether a file is a public entry: of the package, of a room, or of a device type. */
export function isEntry(target: string): boolean {
  return ENTRIES.test(target) || target.startsWith("public/") || target === "lab/testing.ts";
}

/**
 * Whether a test is of the room whose file it imports: unit and component tests are in the folders
 * of the rooms that they test.
 *
 * @param test below `test`
 * @param target below `src`
 */
export function isOfItsRoom(test: string, target: string, law: Law): boolean {
  const [, mirrored] = /^(?:unit|component)\/(.*)$/.exec(test) ?? [];
  if (mirrored === undefined) return false;
  const room = roomOf(mirrored, law);
  return room !== undefined && room === roomOf(target, law);
}
