import assert from "node:assert/strict";
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import {
  findProgram,
  findUmlKernel,
  ownProcessNamespace,
  umlArguments,
} from "../../src/peers/index.ts";
import { buildInitramfs } from "../../src/peers/guest/initramfs.ts";
import type { DeviceName } from "../../src/protocol/index.ts";
import {
  checks,
  frontendChecks,
  FrontendProgram,
  measure,
  parseBaseline,
  ProgramTarget,
  runChecks,
  runFrontendChecks,
  selectChecks,
  type Selection,
  survey,
  timesOf,
  type CheckResult,
} from "../../src/suite/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { packageRoot } from "../support/package-root.ts";
import { needsProgram, needsRoot, temporaryDirectory } from "./support/index.ts";

guardLeaks();

/** Checks that start a front-end many times, or wait for what it never does. */
const SLOW = ["fe/17", "fe/25", "fe/27", "fe/28", "fe/35"];

/** What User Mode Linux does in a way of its own; each starts a kernel. */
const OF_UML = ["fe/3", "fe/5", "fe/10", "fe/14", "fe/22", "fe/30", "fe/34"];

/** Slow enough for a machine that does other things as well. */
const times = timesOf(1.5);
const VERDICTS_OF_INTEREST = new Set(["FAIL", "WARN", "ERROR", "XPASS"]);

/** What a person has to look into: it is not in the baseline, or no longer as the baseline has it. */
function unexpected(results: readonly CheckResult[], name: string): string[] {
  const path = join(packageRoot, "test", "peers", "baselines", `${name}.json`);
  const baseline = parseBaseline(readFileSync(path, "utf8"), path);
  return results.flatMap((result) => {
    const { verdict, reason } = measure(result, baseline, undefined);
    if (!VERDICTS_OF_INTEREST.has(verdict)) return [];
    const exchange = verdict === "XPASS" ? [] : result.exchange;
    return [[`${result.id}: ${verdict} ${reason}`, ...exchange].join("\n")];
  });
}

interface Judging extends Selection {
  readonly shell?: boolean;
}

async function judged(
  t: TestContext,
  device: DeviceName,
  command: string,
  { shell, ...selection }: Judging = {},
) {
  const target = new ProgramTarget(command, { shell, timeoutMs: 30_000 });
  t.after(async () => target.close());
  const facts = await survey(target, times, () => device);
  return runChecks(selectChecks(checks, selection), { target, facts, times, seed: 1 });
}

/** DPDK's network card. At the end of its input it would quit: it reads from a pipe that nobody writes to. */
const testpmd = (more = ""): string =>
  "mkfifo {dir}/in 2>/dev/null; RUNTIME_DIRECTORY={dir} exec dpdk-testpmd --lcores=0,1 --no-huge " +
  `-m 256 --no-pci --no-telemetry --file-prefix=vu-conform --vdev net_vhost0,iface={socket},queues=1${more} ` +
  "-- --interactive --auto-start --total-num-mbufs=8192 --rxq=1 --txq=1 <>{dir}/in";

test(
  "qemu-storage-daemon is judged as its baseline says",
  { skip: needsProgram("qemu-storage-daemon") },
  async (t) => {
    const image = join(temporaryDirectory(t), "disk.img");
    writeFileSync(image, "");
    truncateSync(image, 16 << 20);
    const results = await judged(
      t,
      "block",
      `qemu-storage-daemon --blockdev driver=file,node-name=file,filename=${image} ` +
        "--export type=vhost-user-blk,id=disk,node-name=file,addr.type=unix,addr.path={socket},writable=on",
    );
    assert.deepEqual(unexpected(results, "qemu-storage-daemon-7.2"), []);
  },
);

test(
  "virtiofsd is judged as its baseline says",
  { skip: needsRoot() || needsProgram("virtiofsd") },
  async (t) => {
    const folder = join(temporaryDirectory(t), "shared");
    mkdirSync(folder);
    // In a sandbox of its own a process would hide which signal ended it.
    const results = await judged(
      t,
      "fs",
      `${findProgram("virtiofsd")} --socket-path={socket} -o source=${folder} -o sandbox=chroot`,
    );
    assert.deepEqual(unexpected(results, "virtiofsd-7.2"), []);
  },
);

test(
  "DPDK's net_vhost is judged as its baseline says",
  { skip: needsRoot() || needsProgram("dpdk-testpmd") },
  async (t) => {
    const results = await judged(t, "net", testpmd(), { shell: true });
    assert.deepEqual(unexpected(results, "dpdk-22.11"), []);
  },
);

test(
  "DPDK's net_vhost behind an IOMMU passes",
  { skip: needsRoot() || needsProgram("dpdk-testpmd") },
  async (t) => {
    const only = { shell: true, only: ["iotlb"] };
    const results = await judged(t, "net", testpmd(",iommu-support=1"), only);
    assert.deepEqual(unexpected(results, "dpdk-22.11"), []);
    assert.ok(results.some(({ id, verdict }) => id === "iotlb/6" && verdict === "PASS"));
  },
);

/** A front-end, judged by checks of this selection. */
async function judgedFrontend(
  device: DeviceName,
  command: string,
  { shell, ...selection }: Judging = {},
) {
  const target = new FrontendProgram(command, { shell, timeoutMs: times.againMs });
  const chosen = selectChecks(frontendChecks, { profile: "front-end", ...selection });
  return runFrontendChecks(chosen, { target, device, times });
}

/** Without guest software. */
const qemu = (more: string): string =>
  "qemu-system-x86_64 -M q35,memory-backend=ram -m 64 -object memory-backend-memfd,id=ram,size=64M,share=on " +
  `-nodefaults -display none -chardev socket,id=char,path={socket},reconnect=1 ${more} ` +
  "-qmp unix:{qmp},server=on,wait=off";

test("QEMU's front-end passes", { skip: needsProgram("qemu-system-x86_64") }, async () => {
  const results = await judgedFrontend("block", qemu("-device vhost-user-blk-pci,chardev=char"));
  assert.deepEqual(unexpected(results, "qemu-7.2"), []);
});

test(
  "QEMU's network card passes, as its boot ROM drives it",
  { skip: needsProgram("qemu-system-x86_64") },
  async () => {
    // The ROM waits two seconds for a key: while the machine idles, its clock runs ahead.
    const more =
      "-icount shift=3,sleep=off -netdev vhost-user,id=net,chardev=char " +
      "-device virtio-net-pci,netdev=net,vectors=0,bootindex=0";
    const results = await judgedFrontend("net", qemu(more), { except: SLOW });
    assert.deepEqual(unexpected(results, "qemu-7.2"), []);
    assert.ok(results.some(({ id, verdict }) => id === "fe/19" && verdict === "PASS"));
  },
);

test(
  "User Mode Linux is judged as its baseline says",
  { skip: needsProgram("linux.uml", "busybox") },
  async (t) => {
    const directory = temporaryDirectory(t);
    const kernel = findUmlKernel();
    const initramfs = buildInitramfs({ script: "sleep 1000", modules: ["virtio_blk"], kernel });
    writeFileSync(join(directory, "initramfs"), initramfs);
    const where = { socketPath: "{socket}", deviceId: 2, memoryMiB: 64 };
    const words = [...ownProcessNamespace(), kernel.imagePath, ...umlArguments(where, directory)];
    // Its memory is a file there; its second serial line is descriptor 3.
    const command = `TMPDIR={dir} exec ${words.join(" ")} 3>/dev/null`;
    const results = await judgedFrontend("block", command, { shell: true, only: OF_UML });
    assert.deepEqual(unexpected(results, "uml-6.1"), []);
    assert.ok(results.some(({ id, verdict }) => id === "fe/14" && verdict === "PASS"));
  },
);
