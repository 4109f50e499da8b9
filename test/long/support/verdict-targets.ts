/** Programs on which the verdicts of the suite must be the same in every run. */
import type { TestContext } from "node:test";
import { blockKind } from "../../../src/endpoints/devices/block/kind.ts";
import { fsKind } from "../../../src/endpoints/devices/fs/kind.ts";
import type { DeviceKind } from "../../../src/endpoints/devices/kind.ts";
import { netKind } from "../../../src/endpoints/devices/net/kind.ts";
import { rngKind } from "../../../src/endpoints/devices/rng/kind.ts";
import { findProgram } from "../../../src/lab/programs/index.ts";
import { commandPath } from "../../integration/support/index.ts";
import { storageDaemon, testpmd } from "../../programs/support/conform.ts";
import { needsProgram, needsRoot, temporaryDirectory } from "../../programs/support/index.ts";

/** A program, and how it is judged. */
export interface Judged {
  readonly device: DeviceKind;
  readonly command: (t: TestContext) => string;
  /** True if a shell runs the command. */
  readonly shell?: boolean;
  /** Names findings that depend on a race in the target. */
  readonly baseline?: string;
  readonly skip: string | false;
}

const serve = (words: string): string =>
  `${process.execPath} ${commandPath} serve ${words} --socket {socket}`;

const TARGETS: Readonly<Record<string, Judged>> = {
  "our block back-end": {
    device: blockKind,
    command: () => serve("block --size 16M"),
    skip: false,
  },
  "our network back-end": {
    device: netKind,
    command: () => serve("net --traffic echo --queues 2"),
    skip: false,
  },
  "our file system back-end": {
    device: fsKind,
    command: (t) => serve(`fs --dir ${temporaryDirectory(t)}`),
    skip: false,
  },
  "our entropy back-end": { device: rngKind, command: () => serve("rng"), skip: false },
  "DPDK's net_vhost": {
    device: netKind,
    command: () => testpmd(),
    shell: true,
    baseline: "dpdk-22.11",
    skip: needsRoot() || needsProgram("dpdk-testpmd"),
  },
  "qemu-storage-daemon": {
    device: blockKind,
    command: (t) => storageDaemon(t),
    baseline: "qemu-storage-daemon-7.2",
    skip: needsProgram("qemu-storage-daemon"),
  },
  virtiofsd: {
    device: fsKind,
    command: (t) =>
      `${findProgram("virtiofsd")} --socket-path={socket} -o source=${temporaryDirectory(t)} -o sandbox=chroot`,
    baseline: "virtiofsd-7.2",
    skip: needsRoot() || needsProgram("virtiofsd"),
  },
};

/** The targets that `VHOST_USER_TARGETS` selects: words of their names, separated by commas; default all. */
export function selectedTargets(
  wanted: string | undefined = process.env["VHOST_USER_TARGETS"],
): readonly (readonly [name: string, judged: Judged])[] {
  const words = wanted?.split(",").map((word) => word.trim().toLowerCase());
  return Object.entries(TARGETS).filter(
    ([name]) => words === undefined || words.some((word) => name.toLowerCase().includes(word)),
  );
}
