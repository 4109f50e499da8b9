import assert from "node:assert/strict";
import { blockKind } from "../../../src/endpoints/devices/block/kind.ts";
import type { DeviceKind } from "../../../src/endpoints/devices/kind.ts";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import {
  type CaseResult,
  checks,
  frontendChecks,
  FrontendProgram,
  type Kit,
  measure,
  parseBaseline,
  ProgramTarget,
  runChecks,
  runFrontendChecks,
  selectChecks,
  type Selection,
  knownDevice,
  survey,
  timesOf,
} from "../../../src/lab/conformance/index.ts";
import { needsAttention } from "../../../src/lab/results/index.ts";
import { type Content, CONTENTS, writeImage } from "../../support/disk-content.ts";
import { packageRoot } from "../../support/package-root.ts";
import { temporaryDirectory } from "./temporary.ts";

/** Checks that start a front-end many times, or wait for what it never does. */
export const SLOW = ["fe/17", "fe/25", "fe/27", "fe/28", "fe/35"];

/** Slow enough for a machine that does other things as well. */
const times = timesOf(1.5);

/** What a person has to look into: it is not in the baseline, or no longer as the baseline has it. */
export function unexpected(results: readonly CaseResult[], name: string): string[] {
  const path = join(packageRoot, "baselines", `${name}.json`);
  const baseline = parseBaseline(readFileSync(path, "utf8"), path);
  return results.flatMap((result) => {
    const { verdict, reason } = measure(result, baseline, undefined);
    if (!needsAttention(verdict)) return [];
    const exchange = verdict === "XPASS" ? [] : result.exchange;
    return [[`${result.id}: ${verdict} ${reason}`, ...exchange].join("\n")];
  });
}

interface Judging extends Selection {
  readonly shell?: boolean;
}

interface FrontendJudging extends Judging {
  /** Plays the device. Default: the suite's kit of its type. */
  readonly kit?: Kit | undefined;
}

/** A back-end, judged by checks of this selection. */
export async function judged(
  t: TestContext,
  device: DeviceKind,
  command: string,
  { shell, ...selection }: Judging = {},
) {
  const target = new ProgramTarget(command, { shell, timeoutMs: 30_000 });
  t.after(async () => target.close());
  const facts = await survey(target, times, () => knownDevice(device));
  return runChecks(selectChecks(checks, selection), { target, facts, times, seed: 1 });
}

/** A front-end, judged by checks of this selection. */
export async function judgedFrontend(
  device: DeviceKind,
  command: string,
  { shell, kit = knownDevice(device).kit, ...selection }: FrontendJudging = {},
) {
  const target = new FrontendProgram(command, { shell, timeoutMs: times.againMs });
  const chosen = selectChecks(frontendChecks, { profile: "front-end", ...selection });
  assert.ok(kit);
  return runFrontendChecks(chosen, { target, kit, times });
}

/**
 * The storage daemon with a disk.
 *
 * @param program words that start it
 * @param content of the disk, which is open with O_DIRECT then; default: holes, without O_DIRECT
 */
export function storageDaemon(
  t: TestContext,
  program = "qemu-storage-daemon",
  content?: Content,
): string {
  const image = join(temporaryDirectory(t), "disk.img");
  writeImage(image, 16 << 20, content ?? "holes");
  const direct = content === undefined ? "" : ",cache.direct=on";
  return (
    `${program} --blockdev driver=file,node-name=file,filename=${image}${direct} ` +
    "--export type=vhost-user-blk,id=disk,node-name=file,addr.type=unix,addr.path={socket},writable=on"
  );
}

/**
 * QEMU without guest software.
 *
 * @param program words that start it, with options of its own
 * @param reconnect false for devices that need a connection as they are made
 */
export function qemu(more: string, program = "qemu-system-x86_64", reconnect = true): string {
  return (
    `${program} -M q35,memory-backend=ram -m 64 -object memory-backend-memfd,id=ram,size=64M,share=on ` +
    `-nodefaults -display none -chardev socket,id=char,path={socket}${reconnect ? ",reconnect=1" : ""} ${more} ` +
    "-qmp unix:{qmp},server=on,wait=off"
  );
}

/** DPDK's network card. It would quit at the end of its input, so it reads from a pipe without a writer. */
export const testpmd = (more = ""): string =>
  "mkfifo {dir}/in 2>/dev/null; RUNTIME_DIRECTORY={dir} exec dpdk-testpmd --lcores=0,1 --no-huge " +
  `-m 256 --no-pci --no-telemetry --file-prefix=vu-conform --vdev net_vhost0,iface={socket},queues=1${more} ` +
  "-- --interactive --auto-start --total-num-mbufs=8192 --rxq=1 --txq=1 <>{dir}/in";

export const QEMU_DISK = "-device vhost-user-blk-pci,chardev=char";
/** Its boot ROM waits two seconds for a key: while the machine idles, its clock runs ahead. */
export const QEMU_NET =
  "-icount shift=3,sleep=off -netdev vhost-user,id=net,chardev=char " +
  "-device virtio-net-pci,netdev=net,vectors=0,bootindex=0";

/** Checks whose verdicts depend on the data of requests. */
const OF_DATA =
  "clean/1 ack/9 blk/2 blk/3 blk/40 enable/1 features/14 mem/1 split/5 split/8 split/10".split(" ");

/**
 * The verdicts on the storage daemon whatever its disk holds, by content.
 *
 * @param only the checks; default: those whose verdict depends on data
 */
export async function verdictsByContent(
  t: TestContext,
  selection: Selection = { only: OF_DATA },
): Promise<Readonly<Record<string, readonly string[]>>> {
  const verdicts: Record<string, readonly string[]> = {};
  for (const content of CONTENTS) {
    const command = storageDaemon(t, "qemu-storage-daemon", content);
    const results = await judged(t, blockKind, command, selection);
    verdicts[content] = results.map(({ id, verdict }) => `${id} ${verdict}`);
  }
  return verdicts;
}
