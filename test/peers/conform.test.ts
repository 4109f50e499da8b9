import assert from "node:assert/strict";
import { mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { findProgram } from "../../src/peers/index.ts";
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

/** Slow enough for a machine that does other things as well. */
const times = timesOf(3);
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

test("QEMU's front-end passes", { skip: needsProgram("qemu-system-x86_64") }, async () => {
  const command =
    "qemu-system-x86_64 -M q35,memory-backend=ram -m 64 -object memory-backend-memfd,id=ram,size=64M,share=on " +
    "-nodefaults -display none -chardev socket,id=disk,path={socket},reconnect=1 -device vhost-user-blk-pci,chardev=disk " +
    "-qmp unix:{qmp},server=on,wait=off";
  const target = new FrontendProgram(command, { timeoutMs: times.againMs });
  const results = await runFrontendChecks(frontendChecks, { target, device: "block", times });
  assert.deepEqual(unexpected(results, "qemu-7.2"), []);
});
