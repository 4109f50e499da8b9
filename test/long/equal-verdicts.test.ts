/** Verdicts are the same in every run, however fast the machine is and however long the suite waits. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { Worker } from "node:worker_threads";
import { blockKind } from "../../src/endpoints/devices/block/kind.ts";
import type { DeviceKind } from "../../src/endpoints/devices/kind.ts";
import { netKind } from "../../src/endpoints/devices/net/kind.ts";
import { rngKind } from "../../src/endpoints/devices/rng/kind.ts";
import { fsKind } from "../../src/endpoints/devices/fs/kind.ts";
import {
  checks,
  knownDevice,
  parseBaseline,
  ProgramTarget,
  runChecks,
  selectChecks,
  survey,
  timesOf,
} from "../../src/lab/conformance/index.ts";
import { findProgram } from "../../src/lab/programs/index.ts";
import { commandPath } from "../integration/support/index.ts";
import { storageDaemon, testpmd } from "../programs/support/conform.ts";
import { needsProgram, needsRoot, temporaryDirectory } from "../programs/support/index.ts";
import { packageRoot } from "../support/package-root.ts";

/** Runs of each target: the factor of every wait, and whether other work keeps the processors busy. */
const RUNS = [
  ...Array.from({ length: 5 }, () => ({ factor: 1, busy: false })),
  ...Array.from({ length: 2 }, () => ({ factor: 0.5, busy: false })),
  ...Array.from({ length: 2 }, () => ({ factor: 5, busy: true })),
];
/** Threads that compute: one for each of two processors. */
const LOAD = 2;

interface Judged {
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
  "our network back-end": { device: netKind, command: () => serve("net"), skip: false },
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

/** Keeps processors busy until it is disposed. */
function startLoad(): Disposable {
  const workers = Array.from({ length: LOAD }, () => new Worker("for (;;);", { eval: true }));
  return {
    [Symbol.dispose]: () => {
      for (const worker of workers) void worker.terminate();
    },
  };
}

/** The verdict of each check in one run. */
async function verdictsOf(
  t: TestContext,
  { device, command, shell }: Judged,
  { factor, busy }: (typeof RUNS)[number],
): Promise<ReadonlyMap<string, string>> {
  const target = new ProgramTarget(command(t), { shell, timeoutMs: 30_000 * factor });
  using _load = busy ? startLoad() : undefined;
  try {
    const times = timesOf(factor);
    const facts = await survey(target, times, () => knownDevice(device));
    const chosen = selectChecks(checks, { profile: "standard" });
    const results = await runChecks(chosen, { target, facts, times, seed: 1 });
    return new Map(results.map(({ id, verdict }) => [id, verdict]));
  } finally {
    await target.close();
  }
}

/** Checks that may differ: a baseline says so. */
function racing(baseline: string | undefined): ReadonlySet<string> {
  if (baseline === undefined) return new Set();
  const path = join(packageRoot, "baselines", `${baseline}.json`);
  const { expectations } = parseBaseline(readFileSync(path, "utf8"), path);
  return new Set(expectations.flatMap(({ check, sometimes }) => (sometimes ? [check] : [])));
}

/** One line for each check whose verdict differed between runs. */
function differences(runs: readonly ReadonlyMap<string, string>[]): string[] {
  const [first = new Map<string, string>()] = runs;
  return [...first.keys()].flatMap((id) => {
    const verdicts = runs.map((run) => run.get(id) ?? "none");
    return new Set(verdicts).size > 1 ? [`${id}: ${verdicts.join(" ")}`] : [];
  });
}

test("a verdict that differs is found", () => {
  const run = (verdict: string) =>
    new Map([
      ["a/1", "PASS"],
      ["a/2", verdict],
    ]);
  assert.deepEqual(differences([run("PASS"), run("FAIL")]), ["a/2: PASS FAIL"]);
  assert.deepEqual(differences([run("WARN"), run("WARN")]), []);
});

describe("the verdicts on a target are the same in every run", () => {
  for (const [name, judged] of Object.entries(TARGETS)) {
    test(name, { skip: judged.skip }, async (t) => {
      const runs = [];
      for (const run of RUNS) runs.push(await verdictsOf(t, judged, run));
      const mayDiffer = racing(judged.baseline);
      const found = differences(runs).filter((line) => !mayDiffer.has(line.split(":")[0] ?? ""));
      assert.deepEqual(found, []);
    });
  }
});
